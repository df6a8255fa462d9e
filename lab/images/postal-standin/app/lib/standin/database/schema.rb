# frozen_string_literal: true

module Standin
  module Database
    # The tables of the main database: names, columns and indexes of Postal's
    # schema 20240311205229. A column is name:type, with the default after = and
    # ! for "not null"; `at` is a datetime without, `at6` one with microseconds.
    module Schema
      MIGRATIONS = %w[
        20161003195209 20161003195210 20161003195211 20161003195212 20170418200606 20170421195414
        20170421195415 20170428153353 20180216114344 20200717083943 20210727210551 20240206173036
        20240213165450 20240213171830 20240214132253 20240223141500 20240223141501 20240311205229
      ].freeze

      TABLES = <<~TEXT
        additional_route_endpoints: route_id:int endpoint_type:str endpoint_id:int created_at:at! updated_at:at!
        address_endpoints: server_id:int uuid:str address:str last_used_at:at created_at:at! updated_at:at!
        authie_sessions: token:str browser_id:str user_id:int active:bool=1 data:text expires_at:at login_at:at login_ip:str last_activity_at:at last_activity_ip:str last_activity_path:str user_agent:str created_at:at updated_at:at user_type:str parent_id:int two_factored_at:at two_factored_ip:str requests:int=0 password_seen_at:at token_hash:str host:str skip_two_factor:bool=0 login_ip_country:str two_factored_ip_country:str last_activity_ip_country:str
        credentials: server_id:int key:str type:str name:str options:text last_used_at:at6 created_at:at6 updated_at:at6 hold:bool=0 uuid:str
        domains: server_id:int uuid:str name:str verification_token:str verification_method:str verified_at:at dkim_private_key:text created_at:at6 updated_at:at6 dns_checked_at:at6 spf_status:str spf_error:str dkim_status:str dkim_error:str mx_status:str mx_error:str return_path_status:str return_path_error:str outgoing:bool=1 incoming:bool=1 owner_type:str owner_id:int dkim_identifier_string:str use_for_any:bool
        http_endpoints: server_id:int uuid:str name:str url:str encoding:str format:str strip_replies:bool=0 error:text disabled_until:at6 last_used_at:at6 created_at:at6 updated_at:at6 include_attachments:bool=1 timeout:int
        ip_addresses: ip_pool_id:int ipv4:str ipv6:str created_at:at6 updated_at:at6 hostname:str priority:int
        ip_pool_rules: uuid:str owner_type:str owner_id:int ip_pool_id:int from_text:text to_text:text created_at:at! updated_at:at!
        ip_pools: name:str uuid:str created_at:at6 updated_at:at6 default:bool=0
        organization_ip_pools: organization_id:int ip_pool_id:int created_at:at! updated_at:at!
        organization_users: organization_id:int user_id:int created_at:at6 admin:bool=0 all_servers:bool=1 user_type:str
        organizations: uuid:str name:str permalink:str time_zone:str created_at:at6 updated_at:at6 ip_pool_id:int owner_id:int deleted_at:at6 suspended_at:at6 suspension_reason:str
        queued_messages: server_id:int message_id:int domain:str locked_by:str locked_at:at6 retry_after:at created_at:at6 updated_at:at6 ip_address_id:int attempts:int=0 route_id:int manual:bool=0 batch_key:str
        routes: uuid:str server_id:int domain_id:int endpoint_id:int endpoint_type:str name:str spam_mode:str created_at:at6 updated_at:at6 token:str mode:str
        scheduled_tasks*: name:str next_run_after:at
        servers: organization_id:int uuid:str name:str mode:str ip_pool_id:int created_at:at6 updated_at:at6 permalink:str send_limit:int deleted_at:at6 message_retention_days:int raw_message_retention_days:int raw_message_retention_size:int allow_sender:bool=0 token:str send_limit_approaching_at:at6 send_limit_approaching_notified_at:at6 send_limit_exceeded_at:at6 send_limit_exceeded_notified_at:at6 spam_threshold:score spam_failure_threshold:score postmaster_address:str suspended_at:at6 outbound_spam_threshold:score domains_not_to_click_track:text suspension_reason:str log_smtp_data:bool=0 privacy_mode:bool=0
        smtp_endpoints: server_id:int uuid:str name:str hostname:str ssl_mode:str port:int error:text disabled_until:at6 last_used_at:at6 created_at:at6 updated_at:at6
        statistics: total_messages:big=0 total_outgoing:big=0 total_incoming:big=0
        track_certificates: domain:str certificate:text intermediaries:text key:text expires_at:at renew_after:at verification_path:str verification_string:str created_at:at! updated_at:at!
        track_domains: uuid:str server_id:int domain_id:int name:str dns_checked_at:at dns_status:str dns_error:str created_at:at! updated_at:at! ssl_enabled:bool=1 track_clicks:bool=1 track_loads:bool=1 excluded_click_domains:text
        user_invites: uuid:str email_address:str expires_at:at6 created_at:at6 updated_at:at6
        users: uuid:str first_name:str last_name:str email_address:str password_digest:str time_zone:str email_verification_token:str email_verified_at:at created_at:at6 updated_at:at6 password_reset_token:str password_reset_token_valid_until:at admin:bool=0 oidc_uid:str oidc_issuer:str
        webhook_events: webhook_id:int event:str created_at:at6
        webhook_requests: server_id:int webhook_id:int url:str event:str uuid:str payload:text attempts:int=0 retry_after:at6 error:text created_at:at6 locked_by:str locked_at:at
        webhooks: server_id:int uuid:str name:str url:str last_used_at:at all_events:bool=0 enabled:bool=1 sign:bool=1 created_at:at6 updated_at:at6
        worker_roles*: role:str worker:str acquired_at:at
      TEXT

      # table column [length of the indexed prefix | unique]
      INDEXES = <<~TEXT
        authie_sessions browser_id 8
        authie_sessions token 8
        authie_sessions token_hash 8
        authie_sessions user_id
        domains server_id
        domains uuid 8
        ip_pools uuid 8
        organizations permalink 8
        organizations uuid 8
        queued_messages domain 8
        queued_messages message_id
        queued_messages server_id
        routes token 6
        scheduled_tasks name unique
        servers organization_id
        servers permalink 6
        servers token 6
        servers uuid 8
        track_certificates domain 8
        user_invites uuid 12
        users email_address 8
        users uuid 8
        webhook_events webhook_id
        webhook_requests locked_by
        webhooks server_id
        worker_roles role unique
      TEXT

      TYPES = {
        "int" => [:integer, {}], "big" => [:bigint, {}], "str" => [:string, {}], "text" => [:text, {}],
        "bool" => [:boolean, {}], "score" => [:decimal, { precision: 8, scale: 2 }],
        "at" => [:datetime, { precision: nil }], "at6" => [:datetime, { precision: 6 }]
      }.freeze

      class << self
        def load(connection)
          TABLES.each_line { |line| create_table(connection, line) }
          INDEXES.each_line { |line| create_index(connection, *line.split) }
          pool = ActiveRecord::Base.connection_pool
          pool.schema_migration.create_table
          pool.internal_metadata.create_table_and_set_flags(Postal::Config.rails.environment)
          MIGRATIONS.each { |version| pool.schema_migration.create_version(version) }
        end

        def pending(connection)
          MIGRATIONS - connection.select_values("SELECT version FROM schema_migrations")
        end

        private

        # Tables marked * have a bigint key, as those that newer Rails made.
        def create_table(connection, line)
          name, columns = line.split(":", 2)
          key = name.end_with?("*") ? :primary_key : :integer
          connection.create_table(name.delete("*"), id: key, charset: "utf8mb4", collation: "utf8mb4_general_ci", force: :cascade) do |table|
            columns.split.each { |column| add_column(table, column) }
          end
        end

        def add_column(table, text)
          name, type, default = text.match(/\A(\w+):(\w+)!?(?:=(.+))?\z/).captures
          kind, options = TYPES.fetch(type)
          options = options.merge(null: false) if text.end_with?("!")
          options = options.merge(default: default.to_i) if default
          table.column(name, kind, **options)
        end

        def create_index(connection, table, column, how = nil)
          options = { name: "index_#{table}_on_#{column}" }
          options[:unique] = true if how == "unique"
          options[:length] = how.to_i if how.to_i.positive?
          connection.add_index(table, column, **options)
        end
      end
    end
  end
end
