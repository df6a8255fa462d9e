# frozen_string_literal: true

require "mysql2"
require_relative "message"
require_relative "provisioner"
require_relative "statistics"

module Postal
  module MessageDB
    # The database of one mail server. All of them share a pool of connections,
    # none of which has a default database: every statement names its own.
    class Database
      @idle = Queue.new

      class << self
        def with_connection(&block) = use(take, &block)

        private

        attr_reader :idle

        def take
          idle.pop(true)
        rescue ThreadError # none is idle
          connect
        end

        def connect
          db = Postal::Config.message_db
          Mysql2::Client.new(host: db.host, port: db.port, username: db.username, password: db.password,
                             encoding: db.encoding, cast_booleans: true, reconnect: false)
        end

        # A connection found dead is replaced once.
        def use(connection, again: true, &block)
          result = block.call(connection)
          idle << connection
          result
        rescue Mysql2::Error => e
          if e.message.match?(/lost connection|gone away|not connected/i)
            connection.close
            return use(connect, again: false, &block) if again
          else
            idle << connection
          end
          raise
        end
      end

      attr_reader :organization_id, :server_id

      def initialize(organization_id, server_id)
        @organization_id = organization_id
        @server_id = server_id
      end

      def database_name = "#{Postal::Config.message_db.database_name_prefix}-server-#{@server_id}"
      def server = (@server ||= Server.find_by(id: @server_id))
      def provisioner = Provisioner.new(self)
      def live_stats = LiveStats.new(self)
      def statistics = Statistics.new(self)
      def suppression_list = SuppressionList.new(self)
      def table(name) = "`#{database_name}`.`#{name}`"

      def schema_version
        query("SELECT MAX(version) AS version FROM #{table(:migrations)}").first["version"].to_i
      rescue Mysql2::Error => e
        raise unless e.error_number == 1146 # no such table

        0
      end

      # ---- statements

      def query(sql) = self.class.with_connection { |client| client.query(sql) }

      def select(name, where: nil, order: nil, direction: "ASC", limit: nil, fields: nil, count: false)
        columns = count ? "COUNT(*) AS count" : fields&.map { |field| "`#{field}`" }&.join(", ") || "*"
        sql = +"SELECT #{columns} FROM #{table(name)}"
        sql << " WHERE #{conditions(where)}" if where && !where.empty?
        sql << " ORDER BY `#{order}` #{direction.to_s.upcase == 'DESC' ? 'DESC' : 'ASC'}" if order
        sql << " LIMIT #{limit.to_i}" if limit
        rows = query(sql).to_a
        count ? rows.first["count"] : rows
      end

      def insert(name, values)
        columns = values.keys.map { |key| "`#{key}`" }.join(", ")
        self.class.with_connection do |client|
          client.query("INSERT INTO #{table(name)} (#{columns}) VALUES (#{values.values.map { |value| literal(value, client) }.join(', ')})")
          client.last_id
        end
      end

      def update(name, values, where:)
        self.class.with_connection do |client|
          pairs = values.map { |key, value| "`#{key}` = #{literal(value, client)}" }.join(", ")
          client.query("UPDATE #{table(name)} SET #{pairs} WHERE #{conditions(where, client)}")
          client.affected_rows
        end
      end

      def delete(name, where:)
        self.class.with_connection do |client|
          client.query("DELETE FROM #{table(name)} WHERE #{conditions(where, client)}")
          client.affected_rows
        end
      end

      # ---- messages

      def new_message(attributes = {}) = Message.new(self, attributes)

      # By id, or by a hash of columns.
      def message(key)
        where = key.is_a?(Hash) ? key : { id: key.to_i }
        messages(where: where, limit: 1).first or raise Message::NotFound, "no message with #{where}"
      end

      def messages(**options)
        found = select(:messages, **options)
        found.is_a?(Array) ? found.map { |row| Message.new(self, row) } : found
      end

      # Headers and body, each a row of the table of the day (UTC), which the
      # first message of the day makes.
      def store_raw(text)
        name = Time.now.utc.strftime("raw-%Y-%m-%d")
        ids = begin
          text.split(/\r?\n\r?\n/, 2).values_at(0, 1).map { |part| insert(name, data: part) }
        rescue Mysql2::Error => e
          raise unless e.error_number == 1146

          provisioner.create_raw_table(name)
          retry
        end
        self.class.with_connection do |client|
          client.query("UPDATE #{table(:raw_message_sizes)} SET size = size + #{text.bytesize} WHERE table_name = '#{name}'")
        end
        [name, *ids]
      end

      private

      def literal(value, client)
        case value
        when true then "1"
        when false then "0"
        when nil, "" then "NULL"
        when Numeric then value.to_s
        else "'#{client.escape(value.to_s)}'"
        end
      end

      COMPARISONS = { less_than: "<", greater_than: ">", less_than_or_equal_to: "<=", greater_than_or_equal_to: ">=" }.freeze

      def conditions(where, client = nil)
        return self.class.with_connection { |other| conditions(where, other) } if client.nil?

        where.map do |column, value|
          case value
          when Array then value.empty? ? "1=0" : "`#{column}` IN (#{value.map { |item| literal(item, client) }.join(', ')})"
          when Hash  then value.map { |how, limit| "`#{column}` #{COMPARISONS.fetch(how)} #{literal(limit, client)}" }.join(" AND ")
          when nil   then "`#{column}` IS NULL"
          else "`#{column}` = #{literal(value, client)}"
          end
        end.join(" AND ")
      end
    end
  end
end
