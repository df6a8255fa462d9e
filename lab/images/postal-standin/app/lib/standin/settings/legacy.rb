# frozen_string_literal: true

module Standin
  module Settings
    # A file without `version: 2` in the words of version 2. What has no
    # counterpart is lost without a word, as in Postal.
    module Legacy
      RENAMED = {
        "web.host" => "postal.web_hostname",
        "web.protocol" => "postal.web_protocol",
        "dns.smtp_server_hostname" => "postal.smtp_hostname",
        "dns.return_path" => "dns.return_path_domain",
        "general.use_ip_pools" => "postal.use_ip_pools",
        "general.exception_url" => "logging.sentry_dsn",
        "general.maximum_delivery_attempts" => "postal.default_maximum_delivery_attempts",
        "general.maximum_hold_expiry_days" => "postal.default_maximum_hold_expiry_days",
        "general.suppression_list_removal_delay" => "postal.default_suppression_list_automatic_removal_days",
        "general.use_local_ns_for_domains" => "postal.use_local_ns_for_domain_verification",
        "general.default_spam_threshold" => "postal.default_spam_threshold",
        "general.default_spam_failure_threshold" => "postal.default_spam_failure_threshold",
        "general.use_resent_sender_header" => "postal.use_resent_sender_header",
        "web_server.bind_address" => "web_server.default_bind_address",
        "web_server.port" => "web_server.default_port",
        "message_db.prefix" => "message_db.database_name_prefix",
        "logging.rails_log" => "logging.rails_log_enabled",
        "smtp_server.port" => "smtp_server.default_port",
        "smtp_server.bind_address" => "smtp_server.default_bind_address",
        "smtp_server.log_connect" => "smtp_server.log_connections"
      }.freeze

      SAME = {
        "web_server" => %w[max_threads],
        "main_db" => %w[host port username password database pool_size encoding],
        "message_db" => %w[host port username password],
        "smtp_server" => %w[tls_enabled tls_certificate_path tls_private_key_path tls_ciphers ssl_version proxy_protocol max_message_size],
        "dns" => %w[mx_records spf_include route_domain track_domain helo_hostname dkim_identifier domain_verify_prefix custom_return_path_prefix],
        "smtp" => %w[host port username password from_name from_address],
        "rails" => %w[environment secret_key],
        "rspamd" => %w[enabled host port ssl password flags],
        "spamd" => %w[enabled host port],
        "clamav" => %w[enabled host port],
        "smtp_client" => %w[open_timeout read_timeout]
      }.freeze

      def self.translate(old)
        wanted = RENAMED.to_a + SAME.flat_map { |group, keys| keys.map { |key| ["#{group}.#{key}"] * 2 } }
        new = Hash.new { |hash, group| hash[group] = {} }
        wanted.each do |from, to|
          value = old.dig(*from.split("."))
          next if value.nil?

          group, key = to.split(".")
          new[group][key] = value
        end
        %w[host port facility].each do |key|
          value = old.dig("logging", "graylog", key)
          new["gelf"][key] = value unless value.nil?
        end
        if old["smtp_relays"]
          new["postal"]["smtp_relays"] = old["smtp_relays"].map do |relay|
            "smtp://#{relay['hostname']}:#{relay['port']}?ssl_mode=#{relay['ssl_mode']}"
          end
        end
        new.default = nil
        new
      end
    end
  end
end
