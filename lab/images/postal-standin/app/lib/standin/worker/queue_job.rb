# frozen_string_literal: true

require_relative "../delivery/processor"

module Standin
  module Worker
    # Locks one message that is due, and others for the same destination, and
    # processes them. true when there was one.
    class QueueJob
      def call
        first = lock or return false
        Postal.logger.tagged(original_queued_message: first.id) { work(first) }
        true
      end

      private

      def lock
        holder = Postal.locker_name(SecureRandom.hex(8))
        found = QueuedMessage.where(ip_address_id: [nil, *own_addresses], locked_by: nil, locked_at: nil)
                             .ready_with_delayed_retry.limit(1)
                             .update_all(locked_by: holder, locked_at: Time.current)
        found.positive? ? QueuedMessage.find_by(locked_by: holder) : nil
      end

      # Rows bound to an address wait for a worker whose host has it.
      def own_addresses
        local = Socket.ip_address_list.reject { |info| info.ipv4_loopback? || info.ipv6_loopback? || info.ipv6_linklocal? }
        v4, v6 = local.partition(&:ipv4?).map { |list| list.map(&:ip_address) }
        IPAddress.where(ipv4: v4).or(IPAddress.where(ipv6: v6)).pluck(:id)
      end

      def work(first)
        latency = Time.now - first.created_at
        Postal.logger.info("message taken from the queue")
        Postal.logger.info("it waited #{latency.round(2)}s")
        Metrics.observe(:postal_message_queue_latency, latency)
        return first.unlock unless first.ready?

        others = Postal::Config.postal.batch_queued_messages? ? first.batchable_messages(100) : []
        senders = Delivery::Processor::Senders.new
        [first, *others].each do |queued|
          Postal.logger.tagged(queued_message: queued.id) { Delivery::Processor.new(queued, senders).call }
        end
      ensure
        senders&.finish
      end
    end
  end
end
