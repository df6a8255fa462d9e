# frozen_string_literal: true

module Postal
  module MessageDB
    # Makes, checks and prunes the database of one mail server.
    class Provisioner
      VERSION = 20

      # table: columns; keys after the bar, "primary" naming another than id.
      # i int, v varchar(255), v10 varchar(10), b tinyint(1), t decimal(18,6),
      # n decimal(8,2), l bigint, x text; =0 a default, ! not null.
      TABLES = <<~TEXT
        migrations: version:i! | primary(version)
        messages: id token:v scope:v10 rcpt_to:v mail_from:v subject:v message_id:v timestamp:t route_id:i domain_id:i credential_id:i status:v held:b=0 size:v last_delivery_attempt:t raw_table:v raw_body_id:i raw_headers_id:i inspected:b=0 spam:b=0 spam_score:n=0 threat:b=0 threat_details:v bounce:b=0 bounce_for_id:i=0 tag:v loaded:t clicked:t received_with_ssl:b hold_expiry:t tracked_links:i=0 tracked_images:i=0 parsed:b4=0 endpoint_id:i endpoint_type:v | on_message_id(message_id(8)) on_token(token(6)) on_bounce_for_id(bounce_for_id) on_held(held) on_scope_and_status(scope(1),spam,status(6),timestamp) on_scope_and_tag(scope(1),spam,tag(8),timestamp) on_scope_and_spam(scope(1),spam,timestamp) on_scope_and_thr_status(scope(1),threat,status(6),timestamp) on_scope_and_threat(scope(1),threat,timestamp) on_rcpt_to(rcpt_to(12),timestamp) on_mail_from(mail_from(12),timestamp) on_raw_table(raw_table(14)) on_status(status(8))
        deliveries: id message_id:i status:v code:i output:v512 details:v512 sent_with_ssl:b=0 log_id:v100 timestamp:t time:n | on_message_id(message_id)
        live_stats: type:v20! minute:i! count:i timestamp:t | primary(minute,type(8))
        raw_message_sizes: id table_name:v size:l | on_table_name(table_name(14))
        clicks: id message_id:i link_id:i ip_address:v country:v city:v user_agent:v timestamp:t | on_message_id(message_id) on_link_id(link_id)
        loads: id message_id:i ip_address:v country:v city:v user_agent:v timestamp:t | on_message_id(message_id)
        stats_hourly: id time:i incoming:l outgoing:l spam:l bounces:l held:l | unique_on_time(time)
        stats_daily: id time:i incoming:l outgoing:l spam:l bounces:l held:l | unique_on_time(time)
        stats_monthly: id time:i incoming:l outgoing:l spam:l bounces:l held:l | unique_on_time(time)
        stats_yearly: id time:i incoming:l outgoing:l spam:l bounces:l held:l | unique_on_time(time)
        links: id message_id:i token:v hash:v url:x timestamp:t | on_message_id(message_id) on_token(token(8))
        spam_checks: id message_id:i score:n code:v description:v | on_message_id(message_id) on_code(code(8))
        suppressions: id type:v address:v reason:v timestamp:t keep_until:t | on_address(address(6)) on_keep_until(keep_until)
        webhook_requests: id uuid:v event:v attempt:i timestamp:t status_code:i1 body:x payload:x will_retry:b4 url:v webhook_id:i | on_uuid(uuid(8)) on_event(event(8)) on_timestamp(timestamp) on_webhook_id(webhook_id)
      TEXT

      def initialize(database)
        @database = database
      end

      # A new server gets a new database, whatever was there under its name.
      def provision
        drop
        @database.query("CREATE DATABASE `#{@database.database_name}` CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci")
        migrate(silent: true)
      end

      def drop
        @database.query("DROP DATABASE IF EXISTS `#{@database.database_name}`")
        true
      end

      def exists?
        @database.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = '#{@database.database_name}'").any?
      end

      def migrate(silent: false)
        have = @database.schema_version
        if have >= VERSION
          puts "Nothing to do" unless silent
          return false
        end
        raise Postal::Error, "The stand-in cannot migrate #{@database.database_name} from version #{have}" if have.positive?

        puts "\e[32mMigrating #{@database.database_name} from version #{have} => #{VERSION}\e[0m" unless silent
        TABLES.each_line { |line| create_table(line) }
        1.upto(VERSION) { |version| @database.insert(:migrations, version: version) }
        true
      end

      def create_raw_table(name)
        @database.query("CREATE TABLE #{@database.table(name)} (`id` int(11) NOT NULL AUTO_INCREMENT, `data` longblob DEFAULT NULL, `next` int(11) DEFAULT NULL, PRIMARY KEY (`id`)) #{tail}")
        @database.insert(:raw_message_sizes, table_name: name, size: 0)
      rescue Mysql2::Error => e
        raise unless e.error_number == 1050 # another process was first
      end

      # ---- retention

      def remove_raw_tables_older_than(days)
        oldest = Time.now.utc.to_date - days
        raw_tables.select { |name| Date.parse(name.delete_prefix("raw-")) < oldest }.each { |name| remove_raw_table(name) }
      end

      # Whole days go, oldest first, mail that still waits in the queue included.
      def remove_raw_tables_until_less_than_size(bytes)
        raw_tables.each do |name|
          total = @database.query("SELECT SUM(size) AS size FROM #{@database.table(:raw_message_sizes)}").first["size"].to_i
          break if total <= bytes

          remove_raw_table(name)
        end
      end

      def remove_messages(days)
        limit = (Time.now.utc.to_date - days).end_of_day.to_f
        last = @database.query("SELECT MAX(id) AS id FROM #{@database.table(:messages)} WHERE timestamp <= #{limit}").first["id"] or return
        %i[clicks loads deliveries spam_checks].each { |name| @database.delete(name, where: { message_id: { less_than_or_equal_to: last } }) }
        @database.delete(:messages, where: { id: { less_than_or_equal_to: last } }) # links stay, for ever
      end

      private

      def raw_tables
        @database.query("SHOW TABLES FROM `#{@database.database_name}` LIKE 'raw-%'").map { |row| row.values.first }.sort
      end

      def remove_raw_table(name)
        @database.update(:messages, { raw_table: nil, raw_headers_id: nil, raw_body_id: nil, size: nil }, where: { raw_table: name })
        @database.delete(:raw_message_sizes, where: { table_name: name })
        @database.query("DROP TABLE #{@database.table(name)}")
      end

      def create_table(line)
        name, rest = line.split(":", 2)
        columns, keys = rest.split(" | ")
        parts = columns.split.map { |column| column_sql(column) } + keys.scan(/(\w+)(\((?:[^()]|\([^)]*\))*\))/).map { |key| key_sql(*key) }
        parts << "PRIMARY KEY (`id`)" if columns.split.include?("id")
        @database.query("CREATE TABLE #{@database.table(name)} (#{parts.join(', ')}) #{tail}")
      end

      def column_sql(text)
        return "`id` int(11) NOT NULL AUTO_INCREMENT" if text == "id"

        name, type, size, default = text.match(/\A(\w+):([a-z])(\d*)(?:=(\d+))?!?\z/).captures
        kind = { "i" => "int(#{size.empty? ? 11 : size})", "v" => "varchar(#{size.empty? ? 255 : size})", "t" => "decimal(18,6)",
                 "b" => "tinyint(#{size.empty? ? 1 : size})", "n" => "decimal(8,2)", "l" => "bigint", "x" => "text" }.fetch(type)
        "`#{name}` #{kind} #{text.end_with?('!') ? 'NOT NULL' : "DEFAULT #{default || 'NULL'}"}"
      end

      def key_sql(name, columns)
        columns = columns.gsub(/[a-z]\w*/) { |column| "`#{column}`" }
        case name
        when "primary" then "PRIMARY KEY #{columns}"
        when /\Aunique_/ then "UNIQUE KEY `#{name.delete_prefix('unique_')}` #{columns}"
        else "KEY `#{name}` #{columns} USING BTREE"
        end
      end

      def tail = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
    end
  end
end
