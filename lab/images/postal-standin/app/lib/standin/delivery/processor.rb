# frozen_string_literal: true

require_relative "dkim"
require_relative "http_sender"
require_relative "smtp_sender"
require_relative "tracking"

module Standin
  module Delivery
    # Takes one queued message to its next state. A step that settles the matter
    # throws :settled; a fault of our own puts the message back for later.
    class Processor
      # Senders are shared by the messages of a batch, and so is the knowledge
      # that nobody answers.
      class Senders
        attr_accessor :failure

        def initialize
          @open = {}
        end

        def get(key)
          @open[key] ||= yield.tap(&:start)
        end

        def finish = @open.each_value(&:finish)
      end

      def initialize(queued, senders)
        @queued = queued
        @message = queued.message
        @server = queued.server
        @senders = senders
      end

      def call
        catch(:settled) do
          drop("the message is gone, leaving the queue") unless @message
          settle("Held", "The mail server is suspended: nothing is sent or received.") if @server.suspended?
          give_up if @queued.attempts >= Postal::Config.postal.default_maximum_delivery_attempts
          settle("HardFail", "The raw message is gone, there is nothing left to send.") unless @message.raw_message?
          @message.scope == "incoming" ? incoming : outgoing
        end
      rescue StandardError => e
        fault(e)
      end

      private

      # ---- outgoing

      def outgoing
        settle("HardFail", "The domain of this message does not exist any more") unless @message.domain
        settle("HardFail", "The message has no recipient") if @message.rcpt_to.blank?
        tag = @message.headers["x-postal-tag"]&.last
        @message.update(tag: tag) if tag && !@message.tag
        hold_outgoing unless @queued.manual?
        Tracking.new(@message).apply
        sign unless @message.raw_headers.match?(/^X-Postal-MsgID:/i)
        check_send_limit
        @message.database.live_stats.increment("outgoing")
        hold_in_development
        conclude(transmit { @senders.get([:smtp, @message.recipient_domain, @queued.ip_address_id]) { SMTPSender.new(@message.recipient_domain, source: @queued.ip_address) } })
      end

      def hold_outgoing
        settle("Held", "The credential that sent this message has its messages held.") if @message.credential&.hold?
        entry = @message.database.suppression_list.get(:recipient, @message.rcpt_to) or return
        settle("Held", "#{@message.rcpt_to} is on the suppression list: #{entry['reason']}")
      end

      def sign
        @message.prepend_headers(DKIM.new(@message.domain, @message.raw_message).header, "X-Postal-MsgID: #{@message.token}")
      end

      def check_send_limit
        limit = @server.send_limit or return
        volume = @server.send_volume
        @server.update_columns(send_limit_approaching_at: (Time.now if volume >= limit * 0.9 && volume < limit),
                               send_limit_exceeded_at: (Time.now if volume >= limit))
        settle("Held", "The send limit of the server (#{limit} an hour) has been reached.") if volume >= limit
      end

      # ---- incoming

      def incoming
        match_bounce if @message.bounce?
        @message.database.live_stats.increment("incoming")
        hold_in_development
        route = @message.route or settle("HardFail", "No route or endpoint takes this message.")
        case route.mode
        when "Accept" then settle("Processed", "The message has been accepted; the route sends it nowhere.")
        when "Hold"   then settle(@queued.manual? ? "Processed" : "Held", "The message has been accepted; the route holds it.")
        when "Bounce", "Reject" then settle("HardFail", "The route asks for a bounce#{bounce_back}.")
        end
        conclude(transmit { sender_for(@message.endpoint || route.endpoint) }, @message.endpoint || route.endpoint)
      end

      def match_bounce
        originals = @message.original_messages
        if originals.any?
          originals.each do |original|
            @message.update(bounce_for_id: original.id, domain_id: original.domain_id)
            @message.create_delivery("Processed", details: "This is a bounce of <msg:#{original.id}>.")
            original.bounce!(@message)
          end
          drop("bounce linked with its message")
        end
        settle("HardFail", "This is a bounce of no message that is known, and there is no route for it.") if @message.route_id.nil?
      end

      def sender_for(endpoint)
        @senders.get([:endpoint, endpoint.class.name, endpoint&.id]) do
          case endpoint
          when HTTPEndpoint    then HTTPSender.new(endpoint)
          when SMTPEndpoint    then SMTPSender.new(@message.recipient_domain, targets: [SMTPSender::Target.new(endpoint.hostname, endpoint.port || 25, endpoint.ssl_mode)])
          when AddressEndpoint then SMTPSender.new(endpoint.domain, rcpt_to: endpoint.address)
          else settle("HardFail", "The endpoint of the route does not exist.")
          end
        end
      end

      # ---- both

      def hold_in_development
        settle("Held", "The server is in development mode.") if @server.mode == "Development" && !@queued.manual?
      end

      def transmit
        result = @senders.failure || yield.deliver(@message)
        @senders.failure = result if result.connect_error
        result
      end

      def conclude(result, endpoint = nil)
        details = [result.details, aftermath(result)].compact.join(" ")
        @message.create_delivery(result.type, details: details, output: result.output&.strip, sent_with_ssl: result.secure,
                                              log_id: result.log_id, time: result.time)
        if result.retry
          @queued.retry_later(result.retry == true ? nil : result.retry)
          log("to be tried again after #{@queued.retry_after}")
          return
        end
        endpoint&.mark_as_used
        log("done with this message")
        @queued.destroy
      end

      # What a result means for the suppression list, or for the sender.
      def aftermath(result)
        list = @message.database.suppression_list
        if @message.scope == "incoming"
          "A bounce went to the sender#{bounce_back}." if result.type == "HardFail" && !result.quiet && @message.send_bounces?
        elsif result.type == "Sent"
          "The recipient has left the suppression list." if list.remove(:recipient, @message.rcpt_to)
        elsif result.type == "HardFail" && failed_before?
          list.add(:recipient, @message.rcpt_to, reason: "too many hard fails")
          "The recipient is now on the suppression list."
        end
      end

      def failed_before?
        @message.database.select(:messages, count: true, where: {
          rcpt_to: @message.rcpt_to, status: "HardFail", timestamp: { greater_than: 24.hours.ago.to_f }
        }).positive?
      end

      def give_up
        details = "#{@queued.attempts} attempts are the limit, giving up."
        if @message.scope == "incoming"
          details += " A bounce went to the sender#{bounce_back}." if @message.send_bounces?
        else
          @message.database.suppression_list.add(:recipient, @message.rcpt_to, reason: "too many soft fails")
          details += " #{@message.rcpt_to} is now on the suppression list."
        end
        settle("HardFail", details)
      end

      def bounce_back
        return "" unless @message.send_bounces? && @message.route

        from = @message.route.description
        mail = Mail.new(to: @message.mail_from, from: "Mail Delivery Service <#{from}>",
                        subject: "Mail Delivery Failed (#{@message.subject})",
                        body: "Your message to #{@message.rcpt_to} could not be delivered.\r\n\r\nMessage token: #{@message.token}@#{@server.token}\r\n")
        bounce = @message.database.new_message(scope: "outgoing", rcpt_to: @message.mail_from, mail_from: from,
                                               domain_id: @message.domain_id, bounce: true, bounce_for_id: @message.id)
        bounce.raw_message = mail.to_s
        " (see message <msg:#{bounce.save.id}>)"
      end

      def settle(status, details)
        log("#{status}: #{details}")
        @message.create_delivery(status, details: details)
        @queued.destroy
        throw :settled
      end

      def drop(reason)
        log(reason)
        @queued.destroy
        throw :settled
      end

      def fault(error)
        log("internal error: #{error.class}: #{error.message}")
        error.backtrace.first(10).each { |line| log(line) }
        @queued.retry_later unless @queued.destroyed?
        @message&.create_delivery("Error", details: "An internal error stopped this delivery; it will be tried again.", output: "#{error.class}: #{error.message}")
      end

      def log(text) = Postal.logger.info(text)
    end
  end
end
