# frozen_string_literal: true

module Standin
  module Worker
    # What the one worker with the role `tasks` does on a rough schedule. The
    # names are those of rows in scheduled_tasks.
    module Tasks
      AT = {
        hourly_15: -> { upcoming(min: 15, step: 1.hour) },
        hourly_45: -> { upcoming(min: 45, step: 1.hour) },
        nightly: -> { upcoming(hour: 3, min: 0, step: 1.day) },
        minutely: -> { 1.minute.from_now }
      }.freeze

      Task = Struct.new(:name, :schedule, :work) do
        def next_run = AT.fetch(schedule).call
      end

      def self.upcoming(step:, **clock)
        time = Time.current.change(**clock)
        time < Time.current ? time + step : time
      end

      def self.log(text) = Postal.logger.info(text)

      ALL = [
        Task.new("ActionDeletionsScheduledTask", :hourly_15, lambda {
          [Organization, Server].each do |model|
            model.deleted.each do |gone|
              log("permanently removing #{model.name.downcase} #{gone.id} (#{gone.permalink})")
              gone.destroy
            end
          end
        }),
        Task.new("CheckAllDNSScheduledTask", :hourly_15, lambda {
          Domain.where("dns_checked_at <= ?", 1.hour.ago).each do |domain|
            log("checking DNS for domain: #{domain.name}")
            domain.check_dns(:auto)
          end
          TrackDomain.where("dns_checked_at IS NULL OR dns_checked_at <= ?", 1.hour.ago).each(&:check_dns)
        }),
        Task.new("CleanupAuthieSessionsScheduledTask", :hourly_15, -> {}),
        Task.new("ExpireHeldMessagesScheduledTask", :hourly_15, lambda {
          Server.find_each { |server| server.message_db.messages(where: { status: "Held", hold_expiry: { less_than: Time.now.to_f } }).each(&:cancel_hold) }
        }),
        Task.new("ProcessMessageRetentionScheduledTask", :nightly, lambda {
          Server.find_each do |server|
            store = server.message_db.provisioner
            log("Tidying messages of #{server.permalink} (ID: #{server.id})")
            store.remove_raw_tables_older_than(server.raw_message_retention_days) if server.raw_message_retention_days
            store.remove_raw_tables_until_less_than_size(server.raw_message_retention_size * 1024 * 1024) if server.raw_message_retention_size
            store.remove_messages(server.message_retention_days) if server.message_retention_days
          end
        }),
        Task.new("PruneSuppressionListsScheduledTask", :nightly, -> { Server.find_each { |server| server.message_db.suppression_list.prune } }),
        Task.new("PruneWebhookRequestsScheduledTask", :hourly_45, lambda {
          Server.find_each { |server| server.message_db.delete(:webhook_requests, where: { timestamp: { less_than: 10.days.ago.to_f } }) }
        }),
        Task.new("SendNotificationsScheduledTask", :minutely, -> {}),
        Task.new("TidyQueuedMessagesTask", :hourly_45, lambda {
          QueuedMessage.with_stale_lock.each do |row|
            log("removing queued message #{row.id} (locked at #{row.locked_at} by #{row.locked_by})")
            row.destroy
          end
        })
      ].freeze
    end
  end
end
