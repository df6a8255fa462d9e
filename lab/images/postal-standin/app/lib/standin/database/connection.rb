# frozen_string_literal: true

require "active_record"
require "mysql2"

module Standin
  module Database
    # The optional guard of processes that may start before the tables exist.
    def self.wait_for_migrations
      require_relative "schema"
      waiter = Postal::Config.migration_waiter
      waiter.attempts.downto(1) do |left|
        db = ActiveRecord::Base.connection
        pending = db.table_exists?("schema_migrations") ? Schema.pending(db) : Schema::MIGRATIONS
        if pending.empty?
          Postal.logger.info "all migrations are applied"
          return
        end
        Postal.logger.info "#{pending.size} migrations are pending, #{left - 1} more looks"
        sleep waiter.sleep_time
      end
      Postal.logger.info "migrations are still pending after #{waiter.attempts} looks"
      exit 1
    end

    module Connection
      def self.settings(**more)
        db = Postal::Config.main_db
        { adapter: "mysql2", reconnect: true, encoding: db.encoding, pool: db.pool_size, host: db.host, port: db.port,
          username: db.username, password: db.password, database: db.database }.merge(more)
      end

      def self.establish(**more)
        ActiveRecord::Base.establish_connection(settings(**more))
      end
    end
  end
end
