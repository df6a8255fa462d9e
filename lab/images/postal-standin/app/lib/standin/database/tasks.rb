# frozen_string_literal: true

require_relative "connection"
require_relative "schema"

module Standin
  module Database
    # The rake tasks that operators reach by `postal initialize` and `upgrade`.
    module Tasks
      NAMES = %w[db:create db:migrate db:schema:load postal:update postal:migrate_message_databases].freeze

      class << self
        def run(name)
          case name
          when "db:create"                         then create
          when "db:migrate"                        then migrate
          when "db:schema:load"                    then load_schema
          when "postal:update"                     then update
          when "postal:migrate_message_databases"  then migrate_message_databases
          end
        end

        private

        def create
          db = Postal::Config.main_db
          Connection.establish(database: nil)
          ActiveRecord::Base.connection.execute("CREATE DATABASE `#{db.database}` DEFAULT CHARACTER SET `#{db.encoding}`")
          puts "Created database '#{db.database}'"
        rescue ActiveRecord::StatementInvalid => e
          raise unless e.message.include?("database exists")

          warn "Database '#{db.database}' already exists"
        end

        def update
          Standin.break_if_asked("upgrade")
          if schema_loaded?
            puts "The schema is there, running db:migrate"
            migrate
          else
            puts "There is no schema yet, running db:schema:load"
            load_schema
          end
        end

        def schema_loaded?
          Connection.establish
          db = ActiveRecord::Base.connection
          db.table_exists?("schema_migrations") && db.select_value("SELECT COUNT(*) FROM schema_migrations").positive?
        end

        def load_schema
          Connection.establish
          Schema.load(ActiveRecord::Base.connection)
        end

        # There are no steps here from one schema to the next: a database of an
        # older Postal is refused, rather than marked as something it is not.
        def migrate
          Connection.establish
          pending = Schema.pending(ActiveRecord::Base.connection)
          unless pending.empty?
            abort "The stand-in cannot run Postal's own migrations: #{pending.join(', ')} are pending in this database."
          end
          migrate_message_databases
        end

        def migrate_message_databases
          require_relative "../../standin"
          Server.all.each do |server|
            puts "Message database of #{server.full_permalink} (server #{server.id})"
            server.message_db.provisioner.migrate
          end
        end
      end
    end
  end
end
