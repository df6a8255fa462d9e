# frozen_string_literal: true

module Standin
  module Settings
    # Every setting of a version 2 postal.yml: group.key, type, default. A type
    # with [] is a list; "-" is no default.
    module Schema
      Entry = Struct.new(:group, :key, :type, :list, :default)

      TABLE = <<~TEXT
        postal.web_hostname                             string    postal.example.com
        postal.web_protocol                             string    https
        postal.smtp_hostname                            string    postal.example.com
        postal.use_ip_pools                             boolean   false
        postal.default_maximum_delivery_attempts        integer   18
        postal.default_maximum_hold_expiry_days         integer   7
        postal.default_suppression_list_automatic_removal_days integer 30
        postal.default_spam_threshold                   integer   5
        postal.default_spam_failure_threshold           integer   20
        postal.use_local_ns_for_domain_verification     boolean   false
        postal.use_resent_sender_header                 boolean   true
        postal.signing_key_path                         path      $config-file-root/signing.key
        postal.smtp_relays                              relay[]   -
        postal.trusted_proxies                          network[] -
        postal.allowed_request_destinations             string[]  -
        postal.queued_message_lock_stale_days           integer   1
        postal.batch_queued_messages                    boolean   true
        web_server.default_port                         integer   5000
        web_server.default_bind_address                 string    127.0.0.1
        web_server.max_threads                          integer   5
        worker.default_health_server_port               integer   9090
        worker.default_health_server_bind_address       string    127.0.0.1
        worker.threads                                  integer   2
        main_db.host                                    string    localhost
        main_db.port                                    integer   3306
        main_db.username                                string    postal
        main_db.password                                string    -
        main_db.database                                string    postal
        main_db.pool_size                               integer   5
        main_db.encoding                                string    utf8mb4
        message_db.host                                 string    localhost
        message_db.port                                 integer   3306
        message_db.username                             string    postal
        message_db.password                             string    -
        message_db.encoding                             string    utf8mb4
        message_db.database_name_prefix                 string    postal
        logging.enabled                                 boolean   true
        logging.highlighting_enabled                    boolean   false
        logging.rails_log_enabled                       boolean   false
        logging.sentry_dsn                              string    -
        gelf.host                                       string    -
        gelf.port                                       integer   12201
        gelf.facility                                   string    postal
        smtp_server.default_port                        integer   25
        smtp_server.default_bind_address                string    ::
        smtp_server.default_health_server_port          integer   9091
        smtp_server.default_health_server_bind_address  string    127.0.0.1
        smtp_server.tls_enabled                         boolean   false
        smtp_server.tls_certificate_path                path      $config-file-root/smtp.cert
        smtp_server.tls_private_key_path                path      $config-file-root/smtp.key
        smtp_server.tls_ciphers                         string    -
        smtp_server.ssl_version                         string    SSLv23
        smtp_server.proxy_protocol                      boolean   false
        smtp_server.log_connections                     boolean   false
        smtp_server.max_message_size                    integer   14
        smtp_server.log_ip_address_exclusion_matcher    string    -
        dns.mx_records                                  string[]  mx1.postal.example.com,mx2.postal.example.com
        dns.spf_include                                 string    spf.postal.example.com
        dns.return_path_domain                          string    rp.postal.example.com
        dns.route_domain                                string    routes.postal.example.com
        dns.track_domain                                string    track.postal.example.com
        dns.helo_hostname                               string    -
        dns.dkim_identifier                             string    postal
        dns.domain_verify_prefix                        string    postal-verification
        dns.custom_return_path_prefix                   string    psrp
        dns.timeout                                     integer   5
        dns.resolv_conf_path                            string    /etc/resolv.conf
        smtp.host                                       string    127.0.0.1
        smtp.port                                       integer   25
        smtp.username                                   string    -
        smtp.password                                   string    -
        smtp.authentication_type                        string    login
        smtp.enable_starttls                            boolean   false
        smtp.enable_starttls_auto                       boolean   true
        smtp.openssl_verify_mode                        string    peer
        smtp.from_name                                  string    Postal
        smtp.from_address                               string    postal@example.com
        rails.environment                               string    production
        rails.secret_key                                string    -
        rspamd.enabled                                  boolean   false
        rspamd.host                                     string    127.0.0.1
        rspamd.port                                     integer   11334
        rspamd.ssl                                      boolean   false
        rspamd.password                                 string    -
        rspamd.flags                                    string    -
        spamd.enabled                                   boolean   false
        spamd.host                                      string    127.0.0.1
        spamd.port                                      integer   783
        clamav.enabled                                  boolean   false
        clamav.host                                     string    127.0.0.1
        clamav.port                                     integer   2000
        smtp_client.open_timeout                        integer   30
        smtp_client.read_timeout                        integer   30
        migration_waiter.enabled                        boolean   false
        migration_waiter.attempts                       integer   120
        migration_waiter.sleep_time                     integer   2
        oidc.enabled                                    boolean   false
        oidc.local_authentication_enabled               boolean   true
        oidc.name                                       string    OIDC Provider
        oidc.issuer                                     string    -
        oidc.identifier                                 string    -
        oidc.secret                                     string    -
        oidc.scopes                                     string[]  openid,email
        oidc.uid_field                                  string    sub
        oidc.email_address_field                        string    email
        oidc.name_field                                 string    name
        oidc.discovery                                  boolean   true
        oidc.authorization_endpoint                     string    -
        oidc.token_endpoint                             string    -
        oidc.userinfo_endpoint                          string    -
        oidc.jwks_uri                                   string    -
      TEXT

      ENTRIES = TABLE.lines.map do |line|
        name, type, default = line.strip.split(nil, 3)
        group, key = name.split(".")
        list = type.end_with?("[]")
        default = default == "-" ? nil : default
        default = default.to_s.split(",") if list
        Entry.new(group, key, type.delete_suffix("[]"), list, default)
      end.freeze
    end
  end
end
