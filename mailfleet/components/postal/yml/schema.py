"""The configuration file of Postal 3.3 (postal.yml, version 2) as data.

Facts are from Postal's lib/postal/config_schema.rb at 3.3.6 and from the code that uses each
value; `allowed_request_destinations` is from 3.3.7.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Default = str | int | bool | tuple[str, ...] | None


class Kind(StrEnum):
    """What a value means, where that is more than its type."""

    TEXT = "text"
    FLAG = "true or false"
    COUNT = "number"
    PORT = "port"
    HOST = "host to connect to: name or address"
    NAME = "host name that is published in DNS"
    RECORD = "name in DNS, not of a host"
    LABEL = "part of a name in DNS"
    WORD = "letters, digits, - and _"
    BIND = "address to listen on"
    URL_BIND = "address to listen on, IPv6 in brackets"
    PATH = "absolute path inside the container"
    EMAIL = "e-mail address"
    SENDER = "name before an e-mail address"
    URL = "http or https URL"
    RELAY = "relay URL: smtp://host:port?ssl_mode=Auto"
    NETWORK = "address or network"
    DESTINATION = "host name, address or network"
    REGEX = "Ruby regular expression"
    CHOICE = "one of a few words"


@dataclass(frozen=True)
class Key:
    """One key of postal.yml. `default` is Postal's own; None: Postal treats it as not given."""

    type: Literal["str", "int", "bool", "list"]
    default: Default
    meaning: str
    kind: Kind = Kind.TEXT
    since: str = "3.0.0"
    secret: bool = False
    choices: tuple[str, ...] = ()
    minimum: int = 1


def _text(default: str | None, meaning: str, kind: Kind = Kind.TEXT, since: str = "3.0.0") -> Key:
    return Key("str", default, meaning, kind, since)


def _secret(meaning: str, since: str = "3.0.0") -> Key:
    return Key("str", None, meaning, since=since, secret=True)


def _choice(default: str, meaning: str, *choices: str) -> Key:
    return Key("str", default, meaning, Kind.CHOICE, choices=choices)


def _count(default: int, meaning: str, minimum: int = 1, since: str = "3.0.0") -> Key:
    return Key("int", default, meaning, Kind.COUNT, since, minimum=minimum)


def _port(default: int, meaning: str) -> Key:
    return Key("int", default, meaning, Kind.PORT)


def _flag(default: bool, meaning: str, since: str = "3.0.0") -> Key:
    return Key("bool", default, meaning, Kind.FLAG, since)


def _list(default: tuple[str, ...], meaning: str, kind: Kind, since: str = "3.0.0") -> Key:
    return Key("list", default, meaning, kind, since)


SCHEMA: Mapping[str, Mapping[str, Key]] = {
    "postal": {
        "web_hostname": _text(
            "postal.example.com",
            "Name of the web interface; other Host headers get 403.",
            Kind.NAME,
        ),
        "web_protocol": _choice("https", "Scheme of the links Postal makes.", "https", "http"),
        "smtp_hostname": _text(
            "postal.example.com", "Name in the SMTP banner and in Received headers.", Kind.NAME
        ),
        "use_ip_pools": _flag(False, "Send from pools of addresses; needs host networking."),
        "default_maximum_delivery_attempts": _count(
            18, "Attempts before a message bounces; 18 take about 31 hours."
        ),
        "default_maximum_hold_expiry_days": _count(7, "Days until a held message is dropped."),
        "default_suppression_list_automatic_removal_days": _count(
            30, "Days an address stays on a suppression list."
        ),
        "default_spam_threshold": _count(5, "Score from which a message is spam.", 0),
        "default_spam_failure_threshold": _count(20, "Score from which spam is refused.", 0),
        "use_local_ns_for_domain_verification": _flag(
            False, "Check domains with the host's resolver, not with the domain's name servers."
        ),
        "use_resent_sender_header": _flag(True, "Add a Resent-Sender header to outgoing mail."),
        "signing_key_path": _text(
            "$config-file-root/signing.key", "RSA key of DKIM and of webhooks.", Kind.PATH
        ),
        "smtp_relays": _list((), "Relays for all outgoing mail; none: the MX.", Kind.RELAY),
        "trusted_proxies": _list(
            (), "Proxies believed besides those on loopback.", Kind.NETWORK, "3.1.0"
        ),
        "allowed_request_destinations": _list(
            (),
            "Private destinations that webhooks and HTTP endpoints may reach.",
            Kind.DESTINATION,
            "3.3.7",
        ),
        "queued_message_lock_stale_days": _count(
            1, "Days after which a locked message is deleted unsent.", since="3.2.0"
        ),
        "batch_queued_messages": _flag(
            True, "Send messages to the same destination in one session.", "3.3.0"
        ),
    },
    "web_server": {
        "default_port": _port(5000, "Port of the web process, unless PORT is set."),
        "default_bind_address": _text(
            "127.0.0.1", "Where it listens; 0.0.0.0 behind a bridge network.", Kind.URL_BIND
        ),
        "max_threads": _count(5, "Requests served at once by one web process."),
    },
    "worker": {
        "default_health_server_port": _port(9090, "Port of a worker's health and metrics page."),
        "default_health_server_bind_address": _text(
            "127.0.0.1", "Where that page listens.", Kind.BIND
        ),
        "threads": _count(2, "Messages handled at once by one worker.", since="3.3.0"),
    },
    "main_db": {
        "host": _text("localhost", "Server of the main database.", Kind.HOST),
        "port": _port(3306, "Its port."),
        "username": _text("postal", "Its user."),
        "password": _secret("Password of that user."),
        "database": _text("postal", "Name of the main database.", Kind.WORD),
        "pool_size": _count(5, "Connections per process; a worker raises it by itself."),
        "encoding": _text("utf8mb4", "Character set of the connection.", Kind.WORD),
    },
    "message_db": {
        "host": _text("localhost", "Server of the message databases.", Kind.HOST),
        "port": _port(3306, "Its port."),
        "username": _text("postal", "Its user, who creates and drops databases."),
        "password": _secret("Password of that user."),
        "encoding": _text("utf8mb4", "Character set of the connection.", Kind.WORD),
        "database_name_prefix": _text("postal", "Databases are <prefix>-server-<id>.", Kind.WORD),
    },
    "logging": {
        "rails_log_enabled": _flag(False, "Log what Rails does, too."),
        "sentry_dsn": _secret("Sentry project (URL with key) that exceptions are sent to."),
        "enabled": _flag(True, "Log to standard output."),
        "highlighting_enabled": _flag(False, "Colour the log."),
    },
    "gelf": {
        "host": _text(None, "Graylog server that the log is sent to.", Kind.HOST),
        "port": _port(12201, "Its UDP port."),
        "facility": _text("postal", "Facility put on each entry."),
    },
    "smtp_server": {
        "default_port": _port(25, "Port of the SMTP server, unless PORT is set."),
        "default_bind_address": _text("::", "Where it listens; `::` is IPv4, too.", Kind.BIND),
        "default_health_server_port": _port(9091, "Port of its health and metrics page."),
        "default_health_server_bind_address": _text(
            "127.0.0.1", "Where that page listens.", Kind.BIND
        ),
        "tls_enabled": _flag(False, "Offer STARTTLS."),
        "tls_certificate_path": _text(
            "$config-file-root/smtp.cert", "Certificate chain (PEM), leaf first.", Kind.PATH
        ),
        "tls_private_key_path": _text(
            "$config-file-root/smtp.key", "Its private key (PEM).", Kind.PATH
        ),
        "tls_ciphers": _text(None, "OpenSSL cipher list."),
        # What Ruby's SSLContext#ssl_version= takes and OpenSSL 3 still speaks.
        "ssl_version": _choice(
            "SSLv23",
            "TLS version; SSLv23 negotiates the best, the others allow only that one.",
            "SSLv23",
            "TLSv1_2",
            "TLSv1_1",
            "TLSv1",
        ),
        "proxy_protocol": _flag(False, "Expect a PROXY header, version 1 only."),
        "log_connections": _flag(False, "Log each connection."),
        "max_message_size": _count(14, "Largest message accepted, in MB."),
        "log_ip_address_exclusion_matcher": _text(
            None, "Clients whose address matches are not logged.", Kind.REGEX
        ),
    },
    "dns": {
        "mx_records": _list(
            ("mx1.postal.example.com", "mx2.postal.example.com"),
            "Names that a domain's MX records must give.",
            Kind.NAME,
        ),
        "spf_include": _text(
            "spf.postal.example.com", "Name that senders include in SPF.", Kind.RECORD
        ),
        "return_path_domain": _text(
            "rp.postal.example.com", "Domain of envelope senders.", Kind.NAME
        ),
        "route_domain": _text(
            "routes.postal.example.com", "Domain of the addresses of routes.", Kind.NAME
        ),
        "track_domain": _text(
            "track.postal.example.com", "Name that tracking domains are a CNAME of.", Kind.NAME
        ),
        "helo_hostname": _text(
            None, "Name in HELO, the PTR of the address; none: smtp_hostname.", Kind.NAME
        ),
        "dkim_identifier": _text("postal", "First part of DKIM selectors.", Kind.LABEL),
        "domain_verify_prefix": _text(
            "postal-verification", "First word of the TXT record that proves a domain.", Kind.WORD
        ),
        "custom_return_path_prefix": _text(
            "psrp", "Label below a sender's domain, a CNAME of the return path.", Kind.LABEL
        ),
        # The second and third try get half of it, in whole seconds (app/lib/dns_resolver.rb).
        "timeout": _count(5, "Seconds for the first DNS query; retries get half.", 2),
        "resolv_conf_path": _text("/etc/resolv.conf", "File with the name servers.", Kind.PATH),
    },
    "smtp": {
        "host": _text("127.0.0.1", "Server for Postal's own mail (invitations).", Kind.HOST),
        "port": _port(25, "Its port."),
        "username": _text(None, "User there; none: no authentication."),
        "password": _secret("Password of that user."),
        "authentication_type": _choice(
            "login", "SMTP AUTH mechanism.", "login", "plain", "cram_md5"
        ),
        "enable_starttls": _flag(False, "Insist on STARTTLS."),
        "enable_starttls_auto": _flag(True, "Use STARTTLS when it is offered."),
        "openssl_verify_mode": _choice("peer", "Whether its certificate counts.", "peer", "none"),
        "from_name": _text("Postal", "Sender name of Postal's own mail.", Kind.SENDER),
        "from_address": _text("postal@example.com", "Sender of that mail.", Kind.EMAIL),
    },
    "rails": {
        "environment": _choice(
            "production", "Rails environment.", "production", "development", "test"
        ),
        "secret_key": _secret("Signs sessions; unset, each process makes its own: logins break."),
    },
    "rspamd": {
        "enabled": _flag(False, "Have rspamd score mail; wins over spamd."),
        "host": _text("127.0.0.1", "Its host.", Kind.HOST),
        "port": _port(11334, "Its port."),
        "ssl": _flag(False, "Use HTTPS."),
        "password": _secret("Its password."),
        "flags": _text(None, "Value of the Flags header of each request."),
    },
    "spamd": {
        "enabled": _flag(False, "Have SpamAssassin score mail."),
        "host": _text("127.0.0.1", "Its host.", Kind.HOST),
        "port": _port(783, "Its port."),
    },
    "clamav": {
        "enabled": _flag(False, "Have ClamAV look for viruses."),
        "host": _text("127.0.0.1", "Its host.", Kind.HOST),
        "port": _port(2000, "Its port."),
    },
    "smtp_client": {
        "open_timeout": _count(30, "Seconds to wait for a connection when sending."),
        "read_timeout": _count(30, "Seconds to wait for an answer when sending."),
    },
    "migration_waiter": {
        "enabled": _flag(False, "Processes wait until the database schema is current."),
        "attempts": _count(120, "Looks at the schema before giving up."),
        "sleep_time": _count(2, "Seconds between two looks."),
    },
    "oidc": {
        "enabled": _flag(False, "Log in with OpenID Connect.", "3.2.0"),
        "local_authentication_enabled": _flag(True, "Keep password logins.", "3.2.0"),
        "name": _text("OIDC Provider", "Name on the login button.", since="3.2.0"),
        "issuer": _text(None, "URL of the issuer.", Kind.URL, "3.2.0"),
        "identifier": _text(None, "Client id.", since="3.2.0"),
        "secret": _secret("Client secret.", "3.2.0"),
        "scopes": _list(("openid", "email"), "Scopes asked for.", Kind.TEXT, "3.2.0"),
        "uid_field": _text("sub", "Claim that identifies the user.", since="3.2.0"),
        "email_address_field": _text("email", "Claim with the e-mail address.", since="3.2.0"),
        "name_field": _text("name", "Claim with the name.", since="3.2.0"),
        "discovery": _flag(True, "Read the endpoints from the issuer.", "3.2.0"),
        "authorization_endpoint": _text(None, "Used without discovery.", Kind.URL, "3.2.0"),
        "token_endpoint": _text(None, "Used without discovery.", Kind.URL, "3.2.0"),
        "userinfo_endpoint": _text(None, "Used without discovery.", Kind.URL, "3.2.0"),
        "jwks_uri": _text(None, "Used without discovery.", Kind.URL, "3.2.0"),
    },
}

# Version 1 names with another place in version 2 (Postal's lib/postal/legacy_config_source.rb).
# log_exclude_ips is our addition: Postal 3 reads the same expression under the new name only.
RENAMED: Mapping[str, str] = {
    "web.host": "postal.web_hostname",
    "web.protocol": "postal.web_protocol",
    "general.use_ip_pools": "postal.use_ip_pools",
    "general.exception_url": "logging.sentry_dsn",
    "general.maximum_delivery_attempts": "postal.default_maximum_delivery_attempts",
    "general.maximum_hold_expiry_days": "postal.default_maximum_hold_expiry_days",
    "general.suppression_list_removal_delay": (
        "postal.default_suppression_list_automatic_removal_days"
    ),
    "general.use_local_ns_for_domains": "postal.use_local_ns_for_domain_verification",
    "general.default_spam_threshold": "postal.default_spam_threshold",
    "general.default_spam_failure_threshold": "postal.default_spam_failure_threshold",
    "general.use_resent_sender_header": "postal.use_resent_sender_header",
    "smtp_relays": "postal.smtp_relays",
    "web_server.bind_address": "web_server.default_bind_address",
    "web_server.port": "web_server.default_port",
    "message_db.prefix": "message_db.database_name_prefix",
    "logging.rails_log": "logging.rails_log_enabled",
    "logging.graylog.host": "gelf.host",
    "logging.graylog.port": "gelf.port",
    "logging.graylog.facility": "gelf.facility",
    "smtp_server.port": "smtp_server.default_port",
    "smtp_server.bind_address": "smtp_server.default_bind_address",
    "smtp_server.log_connect": "smtp_server.log_connections",
    "smtp_server.log_exclude_ips": "smtp_server.log_ip_address_exclusion_matcher",
    "dns.smtp_server_hostname": "postal.smtp_hostname",
    "dns.return_path": "dns.return_path_domain",
}

_NO_LOG_FILES = (
    "Postal 3 writes no log files: the container's log driver keeps and rotates the log "
    "(postal_log_drivers)"
)
_NO_RABBITMQ = "Postal 3 keeps its queue in MariaDB: RabbitMQ can go after the upgrade"
_NO_FAST_SERVER = "the fast server went with Postal 2: the web process tracks, Caddy does its TLS"

# What older versions had and Postal 3 has not, by path or by group: what to do instead.
REMOVED: Mapping[str, str] = {
    "workers.threads": "set worker.threads (postal_worker_threads); version 1 files cannot",
    "workers.quantity": "the number of worker containers counts now (postal_worker_replicas)",
    "rabbitmq": _NO_RABBITMQ,
    "fast_server": _NO_FAST_SERVER,
    "logging.stdout": "Postal 3 logs to standard output unless logging.enabled is false",
    "logging.root": _NO_LOG_FILES,
    "logging.max_log_file_size": _NO_LOG_FILES,
    "logging.max_log_files": _NO_LOG_FILES,
    "smtp_server.strip_received_headers": (
        "turn on the privacy mode of each mail server in the web interface"
    ),
}

# Postal would use a placeholder, or a new random key in each process.
REQUIRED = (
    "postal.web_hostname",
    "postal.smtp_hostname",
    "dns.mx_records",
    "dns.spf_include",
    "dns.return_path_domain",
    "dns.route_domain",
    "main_db.password",
    "message_db.password",
    "rails.secret_key",
)


def find(path: str) -> Key | None:
    """The key of a path such as `dns.timeout`, or None."""
    group, _, name = path.partition(".")
    return SCHEMA.get(group, {}).get(name)


def nearest(path: str) -> str | None:
    """The key, or for a path without a dot the group, whose name is most like the path."""
    group, dot, name = path.partition(".")
    if not dot:
        return _closest(path, list(SCHEMA))
    every = [f"{group}.{name}" for group, keys in SCHEMA.items() for name in keys]
    here = [candidate for candidate in every if candidate.startswith(f"{group}.")]
    elsewhere = [candidate for candidate in every if candidate.endswith(f".{name}")]
    if len(elsewhere) == 1:
        return elsewhere[0]
    return _closest(path, here) or _closest(path, elsewhere, 0) or _closest(path, every)


def _closest(name: str, candidates: list[str], cutoff: float = 0.75) -> str | None:
    return next(iter(difflib.get_close_matches(name, candidates, 1, cutoff)), None)
