# frozen_string_literal: true

module Postal
  module MessageDB
    # Counters per minute of the last hour.
    class LiveStats
      def initialize(database)
        @database = database
      end

      def increment(type)
        now = Time.now.utc
        @database.query(<<~SQL)
          INSERT INTO #{@database.table(:live_stats)} (type, minute, timestamp, count) VALUES ('#{type}', #{now.min}, #{now.to_f}, 1)
          ON DUPLICATE KEY UPDATE count = IF(timestamp < #{now.to_f - 1800}, 1, count + 1), timestamp = #{now.to_f}
        SQL
      end

      def total(minutes, types: %i[incoming outgoing])
        names = types.map { |type| "'#{type}'" }.join(", ")
        since = minutes.minutes.ago.beginning_of_minute.to_f
        @database.query("SELECT SUM(count) AS total FROM #{@database.table(:live_stats)} WHERE type IN (#{names}) AND timestamp > #{since}").first["total"].to_i
      end
    end

    # Counters per hour, day, month and year.
    class Statistics
      SPANS = { hourly: :hour, daily: :day, monthly: :month, yearly: :year }.freeze
      COUNTERS = %w[incoming outgoing spam bounces held].freeze

      def initialize(database)
        @database = database
      end

      def increment_all(time, counter)
        SPANS.each do |table, span|
          first = COUNTERS.map { |name| name == counter.to_s ? 1 : 0 }
          @database.query(<<~SQL)
            INSERT INTO #{@database.table("stats_#{table}")} (time, #{COUNTERS.join(', ')})
            VALUES (#{time.utc.public_send("beginning_of_#{span}").to_i}, #{first.join(', ')})
            ON DUPLICATE KEY UPDATE #{counter} = #{counter} + 1
          SQL
        end
      end
    end

    # Addresses that are not written to for a while.
    class SuppressionList
      def initialize(database)
        @database = database
      end

      def add(type, address, reason: nil, days: Postal::Config.postal.default_suppression_list_automatic_removal_days)
        remove(type, address)
        @database.insert(:suppressions, type: type, address: address, reason: reason,
                                        timestamp: Time.now.to_f, keep_until: days.days.from_now.to_f)
        true
      end

      def get(type, address)
        @database.select(:suppressions, where: { type: type, address: address, keep_until: { greater_than_or_equal_to: Time.now.to_f } }, limit: 1).first
      end

      def remove(type, address) = @database.delete(:suppressions, where: { type: type, address: address }).positive?
      def prune = @database.delete(:suppressions, where: { keep_until: { less_than: Time.now.to_f } })
    end
  end
end
