"""The configuration file of Postal 3.3 (postal.yml, version 2) as data, its check and its text.

Postal says nothing about mistakes in this file: unknown keys are ignored, a number is whatever
Ruby's `to_i` makes of it, a flag that is not exactly true is false. So `problems` is the only
guard. Facts are from Postal's lib/postal/config_schema.rb at 3.3.6 and from the code that uses
each value; `allowed_request_destinations` is from 3.3.7.
"""

import difflib
import ipaddress
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar

import yaml

from mailfleet.secrets import MASK, Secret, SecretRef

Default = str | int | bool | tuple[str, ...] | None
Version = tuple[int, ...]


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


@dataclass(frozen=True)
class Problem:
    """A mistake in a configuration. `value` is masked where it is or could hold a secret."""

    path: str
    value: object
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.remedy}"


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

_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str, Secret, SecretRef),
    "int": (int,),
    "bool": (bool,),
    "list": (list, tuple),
}
_TYPE_REMEDIES = {
    "str": "write a text in quotes",
    "int": "write a whole number, without quotes",
    "bool": "write true or false, without quotes",
    "list": "write a list of texts",
}


def find(path: str) -> Key | None:
    """The key of a path such as `dns.timeout`, or None."""
    group, _, name = path.partition(".")
    return SCHEMA.get(group, {}).get(name)


def problems(config: Mapping[str, object], version: str = "3.3.7") -> list[Problem]:
    """Every mistake in a postal.yml of version 2 for that version of Postal; [] when it is good.

    Keys that are not given are no mistake here, see `missing`. A `Secret` or a reference to one
    stands for a text. Never raises, whatever the nesting.
    """
    found = list(_version_key(config))
    pinned = _parse_version(version)
    for group, content in config.items():
        if group != "version":
            found += _group_problems(group, content, pinned)
    return found + list(_combinations(_Values(config)))


def missing(config: Mapping[str, object]) -> list[Problem]:
    """The keys that a working Postal needs and that the file does not give."""
    values = _Values(config)
    return [
        Problem(
            path,
            None,
            "not given, and Postal's own default cannot work",
            "set it, here or in Postal's environment",
        )
        for path in REQUIRED
        if not values.given(path)
    ]


def render(config: Mapping[str, Mapping[str, object]]) -> str:
    """The text of postal.yml: `version: 2` first, then groups and keys in the schema's order.

    None and groups with nothing in them are left out: Postal does not start with an empty group.
    Secrets are revealed. Texts are always quoted, because Ruby's YAML reads some plain ones as
    something else that Python's would leave alone: `1,000` is a number, `:a` stops Postal.
    """
    parts = ["version: 2\n"]
    for group in _in_order(config, SCHEMA):
        if group == "version":
            continue
        known = SCHEMA.get(group, {})
        content = {k: config[group][k] for k in _in_order(config[group], known)}
        content = {name: value for name, value in content.items() if value is not None}
        if content:
            parts.append(_dump({group: content}))
    return "\n".join(parts)


class _Dumper(yaml.SafeDumper):
    """Quotes every text, except keys that are plain words."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')

    def represent_secret(self, data: Secret) -> yaml.ScalarNode:
        return self.represent_text(data.reveal())

    def represent_mapping(
        self, tag: str, mapping: Any, flow_style: bool | None = None
    ) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            if _KEY.fullmatch(str(key.value)) and key.value not in _YAML_WORDS:
                key.style = None
        return node


_KEY = re.compile(r"[a-z][a-z0-9_]+")
_YAML_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(Secret, _Dumper.represent_secret)


def _dump(content: Mapping[str, Mapping[str, object]]) -> str:
    return yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=2**31,  # a folded text would be harder to compare
    )


_Name = TypeVar("_Name")


def _in_order(given: Mapping[_Name, object], order: Mapping[_Name, object]) -> list[_Name]:
    return [name for name in order if name in given] + [name for name in given if name not in order]


# Names and types


def _parse_version(version: str) -> Version | None:
    """(3, 3, 7) of `3.3.7@sha256:...`; None when the tag tells no version: taken as the newest."""
    match = re.match(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version)
    return tuple(int(part) for part in match.groups()) if match else None


def _version_key(config: Mapping[str, object]) -> Iterator[Problem]:
    value = config.get("version", 2)
    if type(value) is not int or value != 2:
        yield Problem(
            "version", value, "not the version of this format", "write `version: 2`, no quotes"
        )


def _group_problems(group: object, content: object, pinned: Version | None) -> list[Problem]:
    path = str(group)
    known = SCHEMA.get(path)
    if known is None:
        return list(_unknown_group(path, content))
    if not isinstance(content, Mapping):
        message = "a group must hold keys" if content is not None else _EMPTY_GROUP
        return [Problem(path, MASK, message, "put `key: value` lines under it or leave it out")]
    if not content:
        return [Problem(path, content, _EMPTY_GROUP, "leave the group out")]
    found: list[Problem] = []
    for name, value in content.items():
        key = known.get(name) if isinstance(name, str) else None
        if key is None:
            found.append(_unknown_key(f"{path}.{name}"))
        else:
            found += _key_problems(f"{path}.{name}", key, value, pinned)
    return found


_EMPTY_GROUP = "an empty group stops Postal from starting"


def _unknown_group(path: str, content: object) -> Iterator[Problem]:
    names = list(content) if isinstance(content, Mapping) else []
    paths = [f"{path}.{name}" for name in names]
    old = [old for old in paths if old in RENAMED or old in REMOVED]
    if old:
        yield from (_unknown_key(old) for old in paths)
    else:
        yield _unknown_key(path)


def _unknown_key(path: str) -> Problem:
    message = "Postal knows no such key and ignores it"
    removed = REMOVED.get(path) or REMOVED.get(path.partition(".")[0])
    if path in RENAMED:
        message = "a name of version 1, which Postal ignores in a version 2 file"
        remedy = f"use {RENAMED[path]}"
        if path == "smtp_relays":
            remedy += ", a list of smtp://host:port?ssl_mode=Auto"
    elif path == "logging.graylog":
        message, remedy = "a group of version 1, which Postal ignores here", "use the group gelf"
    elif removed:
        message, remedy = "a key of older versions, which Postal 3 ignores", removed
    else:
        near = nearest(path)
        remedy = f"did you mean {near}?" if near else "remove it"
    return Problem(path, MASK, message, remedy)


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


def _key_problems(path: str, key: Key, value: object, pinned: Version | None) -> Iterator[Problem]:
    if pinned is not None and pinned < (_parse_version(key.since) or ()):
        shown = ".".join(map(str, pinned))
        yield Problem(
            path, _shown(key, value), f"Postal {shown} ignores it: new in {key.since}", "remove it"
        )
    if not _is_of(key.type, value):
        yield _wrong_type(path, key, value)
    elif isinstance(value, list | tuple):
        yield from _list_problems(path, key, value)
    else:
        yield from _value_problems(path, key, value)


def _is_of(name: str, value: object) -> bool:
    # Exactly: in Python True is an int, too.
    return type(value) in _TYPES[name]


def _wrong_type(path: str, key: Key, value: object) -> Problem:
    if value is None:
        return Problem(path, None, "no value", "give one or leave the key out")
    harm = {
        "int": "Postal would take the digits it begins with, or 0",
        "bool": "Postal could take it as false",
        "str": "Postal would use the text that Ruby makes of it",
        "list": "Postal would make something else of it",
    }[key.type]
    got = {"str": "a text", "int": "a number", "float": "a decimal number", "bool": "true or false"}
    what = got.get(type(value).__name__, f"a {type(value).__name__}")
    message = f"{what} where {_TYPE_NAMES[key.type]} is needed: {harm}"
    return Problem(path, _shown(key, value), message, _TYPE_REMEDIES[key.type])


_TYPE_NAMES = {"str": "a text", "int": "a whole number", "bool": "true or false", "list": "a list"}


def _list_problems(
    path: str, key: Key, values: list[object] | tuple[object, ...]
) -> Iterator[Problem]:
    if not values and key.default:
        yield Problem(path, values, "an empty list", "list at least one or leave the key out")
    element = Key("str", None, key.meaning, key.kind, secret=key.secret)
    for index, value in enumerate(values):
        if not _is_of("str", value):
            yield _wrong_type(f"{path}[{index}]", element, value)
        else:
            yield from _value_problems(f"{path}[{index}]", element, value)
            if value in values[:index]:
                yield Problem(f"{path}[{index}]", _shown(element, value), "given twice", "drop one")


def _shown(key: Key, value: object) -> object:
    """The value as a problem may show it."""
    if key.secret or isinstance(value, Secret | Mapping | list | tuple):
        return MASK if value else value
    if key.kind is Kind.RELAY and isinstance(value, str):
        return _without_credentials(value)
    return value


def _without_credentials(url: str) -> str:
    if re.fullmatch(r"[^@?]*(\?ssl_mode=\w*)?", url):
        return url
    return MASK


# Values


def _value_problems(path: str, key: Key, value: object) -> Iterator[Problem]:
    if isinstance(value, SecretRef):
        return
    plain = value.reveal() if isinstance(value, Secret) else value
    for message, remedy in _complaints(path, key, plain):
        yield Problem(path, _shown(key, value), message, remedy)


Complaint = tuple[str, str]


def _complaints(path: str, key: Key, value: object) -> Iterator[Complaint]:
    if isinstance(value, int):
        yield from _number_complaints(key, value)
    elif isinstance(value, str):
        general = list(_text_complaints(path, value))
        yield from general
        check = _TEXT_CHECKS.get(key.kind)
        if check is not None and not general:
            yield from check(key, value)


def _number_complaints(key: Key, value: int) -> Iterator[Complaint]:
    if key.kind is Kind.PORT and not 1 <= value <= 65535:
        yield "not a port", "give a number from 1 to 65535"
    if key.kind is Kind.COUNT and value < key.minimum:
        yield f"less than {key.minimum}", f"give {key.minimum} or more"


def _text_complaints(path: str, value: str) -> Iterator[Complaint]:
    if not value:
        yield "an empty text, which Postal takes as not given", "give a value or leave the key out"
    elif any(ord(character) < 32 or ord(character) == 127 for character in value):
        yield "a line break or control character", "write it in one line"
    elif "<%" in value and "%>" in value:
        yield "Postal does not evaluate ERB here", "write the value itself"
    # config/database.yml puts these values between double quotes of another YAML file.
    elif path.startswith("main_db.") and ('"' in value or "\\" in value):
        yield (
            'Postal copies it unescaped into its database.yml, where " and \\ have a meaning',
            'use a value without " and \\',
        )


def _host(key: Key, value: str) -> Iterator[Complaint]:
    # Container names, which people connect to, may hold underscores.
    if not _is_address(value) and not _is_name(value, underscore=True):
        yield "neither a host name nor an address", "give db.example.com, or 192.0.2.1"


def _published_name(key: Key, value: str) -> Iterator[Complaint]:
    remedy = "write it as mail.example.com"
    if _is_address(value):
        yield "an address, not a host name", remedy
    elif value.endswith("."):
        yield "Postal compares names without their trailing dot", "drop the dot at the end"
    elif value != value.lower():
        yield "Postal compares it with names in lower case", "write it in lower case"
    elif not _is_name(value, underscore=key.kind is Kind.RECORD) or "." not in value:
        yield "not a full host name", remedy


def _label(key: Key, value: str) -> Iterator[Complaint]:
    # Dots and underscores are allowed: an old installation cannot change these any more.
    if value != value.lower() or not _is_name(value, underscore=True):
        yield "not a name for DNS", "use lower-case letters, digits and hyphens"


def _word(key: Key, value: str) -> Iterator[Complaint]:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        yield "Postal needs a plain word here", "use letters, digits, hyphens and underscores"


def _bind(key: Key, value: str) -> Iterator[Complaint]:
    if not _is_address(value):
        yield "not an address to listen on", "give an address of the host, 0.0.0.0 or ::"


def _url_bind(key: Key, value: str) -> Iterator[Complaint]:
    # config/puma.rb makes an URL of it: a bare `::` stops the web process.
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if not _is_address(bare):
        yield "not an address to listen on", "give an address of the host, 0.0.0.0 or [::]"
    elif (":" in bare) != (bare != value):
        yield "Postal puts it into a URL", "write an IPv6 address in brackets, IPv4 without"


def _path(key: Key, value: str) -> Iterator[Complaint]:
    root = re.match(r"\$config-file-root/", value, re.IGNORECASE)
    if not value.startswith("/") and not root:
        yield "not an absolute path", "begin it with / or with $config-file-root/"
    elif value.startswith("/opt/postal/config/"):
        yield (
            "the directory's name on the host: inside the container it is /config",
            "begin it with $config-file-root/",
        )


def _email(key: Key, value: str) -> Iterator[Complaint]:
    local, at, domain = value.rpartition("@")
    if not at or not re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]+", local, re.ASCII):
        yield "not an e-mail address", "write it as name@example.com"
    elif not _is_name(domain):
        yield "the part after @ is not a host name", "write it as name@example.com"


def _sender(key: Key, value: str) -> Iterator[Complaint]:
    # app/mailers/application_mailer.rb writes it unquoted before <address> (RFC 5322 section 3.4).
    quoted = re.fullmatch(r'"([^"\\]|\\.)*"', value)
    if not quoted and re.search(r'[()<>\[\]:;@\\,"]', value):
        yield (
            "a character that has a meaning in a From header",
            "put the name in double quotes of its own, or leave the character out",
        )


def _url(key: Key, value: str) -> Iterator[Complaint]:
    url = _split_url(value)
    if url is None or url.scheme not in ("http", "https") or not url.hostname or " " in value:
        yield "not an http or https URL", "write it as https://login.example.com"


def _network(key: Key, value: str) -> Iterator[Complaint]:
    if not _is_network(value):
        yield "neither an address nor a network", "write it as 192.0.2.1 or 192.0.2.0/24"


def _destination(key: Key, value: str) -> Iterator[Complaint]:
    if not _is_network(value) and not _is_name(value, underscore=True):
        yield (
            "no host name, address or network, and Postal compares it with hosts, not with URLs",
            "write it as app.example.com, 10.0.0.5 or 10.0.0.0/8",
        )


def _choice_complaints(key: Key, value: str) -> Iterator[Complaint]:
    if value not in key.choices:
        yield "not a word that Postal knows here", f"use one of: {', '.join(key.choices)}"


def _regex(key: Key, value: str) -> Iterator[Complaint]:
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        yield "the slashes would be part of the expression: it never matches", "drop the slashes"
    elif not _compiles(value):
        yield "not a regular expression", r"write it as ^10\.0\."


def _relay(key: Key, value: str) -> Iterator[Complaint]:
    """Postal takes host, port and ssl_mode, and drops a relay without a host without a word."""
    url = _split_url(value)
    if url is None or url.scheme != "smtp" or "//" not in value:
        yield (
            "without smtp:// Postal may find no host in it: it drops such a relay, and delivers "
            "straight to the MX when none is left",
            "write it as smtp://relay.example.com:25?ssl_mode=Auto",
        )
        return
    yield from _relay_host_complaints(url)
    if _port_of(url) is None:
        yield "not a port", "give a number from 1 to 65535 after the host"
    if url.path not in ("", "/") or url.fragment:
        yield "Postal ignores what follows the port", "write only host, port and ssl_mode"
    yield from _relay_query_complaints(url.query)


def _relay_host_complaints(url: urllib.parse.SplitResult) -> Iterator[Complaint]:
    host = url.hostname or ""
    if "@" in url.netloc:
        yield (
            "Postal 3.3 does not log in at relays: it ignores the credentials",
            "let the relay accept this host by its address, and leave the credentials out",
        )
    if not host:
        yield "no host: Postal drops the relay", "name the relay"
    elif _is_address(host):
        yield (
            "an address: Postal asks DNS for the relay's address and never finds one",
            "give a name that DNS knows",
        )
    elif not _is_name(host, underscore=True):
        yield "not a host name", "give a name that DNS knows"


_SSL_MODES = ("Auto", "TLS", "None")

# app/lib/smtp_client/ssl_modes.rb has STARTLS for STARTTLS (3.0.0 to 3.3.6, and nothing says that
# 3.3.7 differs); app/lib/smtp_client/endpoint.rb takes every mode it does not know for "no TLS".
_MISSPELT_BY_POSTAL = {
    "STARTTLS": "Postal 3.3 misspells STARTTLS in its own list and sends in clear text instead",
    "STARTLS": "a misspelling in Postal 3.3: once it is mended this would send in clear text",
}


def _relay_query_complaints(query: str) -> Iterator[Complaint]:
    given = urllib.parse.parse_qsl(query, keep_blank_values=True)
    modes = [mode for name, mode in given if name == "ssl_mode"]
    if len(modes) < len(given):
        yield "Postal knows only ssl_mode after the `?`", "leave the rest out"
    if len(modes) > 1:
        yield "ssl_mode is given twice", "give it once"
    for mode in modes:
        yield from _ssl_mode_complaints(mode)


def _ssl_mode_complaints(mode: str) -> Iterator[Complaint]:
    if mode in _MISSPELT_BY_POSTAL:
        yield (
            _MISSPELT_BY_POSTAL[mode],
            "use ssl_mode=TLS where the relay takes TLS from the start (port 465), else Auto",
        )
    elif mode not in _SSL_MODES:
        yield (
            "not an ssl_mode that Postal knows: it would send in clear text",
            f"use one of: {', '.join(_SSL_MODES)}",
        )


_TEXT_CHECKS: Mapping[Kind, Callable[[Key, str], Iterator[Complaint]]] = {
    Kind.HOST: _host,
    Kind.NAME: _published_name,
    Kind.RECORD: _published_name,
    Kind.LABEL: _label,
    Kind.WORD: _word,
    Kind.BIND: _bind,
    Kind.URL_BIND: _url_bind,
    Kind.PATH: _path,
    Kind.EMAIL: _email,
    Kind.SENDER: _sender,
    Kind.URL: _url,
    Kind.RELAY: _relay,
    Kind.NETWORK: _network,
    Kind.DESTINATION: _destination,
    Kind.REGEX: _regex,
    Kind.CHOICE: _choice_complaints,
}


def _is_name(value: str, underscore: bool = False) -> bool:
    """A host name (RFC 1123 section 2.1), of one label or more, in any case."""
    inner = "[A-Za-z0-9_-]" if underscore else "[A-Za-z0-9-]"
    edge = "[A-Za-z0-9_]" if underscore else "[A-Za-z0-9]"
    label = rf"{edge}({inner}{{0,61}}{edge})?"
    return len(value) <= 253 and re.fullmatch(rf"{label}(\.{label})*", value) is not None


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def _split_url(value: str) -> urllib.parse.SplitResult | None:
    try:
        return urllib.parse.urlsplit(value)
    except ValueError:
        return None


def _port_of(url: urllib.parse.SplitResult) -> int | None:
    """The port, 25 when there is none, None when it is not one."""
    try:
        port = url.port
    except ValueError:
        return None
    return 25 if port is None else port or None


# Ruby's spellings of what Python's expressions have, too.
_RUBY_ONLY = {r"\z": r"\Z", r"\h": "[0-9a-fA-F]", r"\H": "[^0-9a-fA-F]", "(?<": "(?P<"}


def _compiles(expression: str) -> bool:
    translated = re.sub(
        r"\\.|\(\?<(?![=!])",
        lambda match: _RUBY_ONLY.get(match[0], match[0]),
        expression,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(translated)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


# Combinations


class _Values:
    """What a configuration gives, by path; wrong types count as not given."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config

    def given(self, path: str) -> bool:
        key = find(path)
        return key is not None and _is_of(key.type, self._raw(path))

    def get(self, path: str) -> Any:
        """The value given, else Postal's default."""
        key = find(path)
        return self._raw(path) if self.given(path) else key.default if key else None

    def _raw(self, path: str) -> object:
        group, _, name = path.partition(".")
        content = self._config.get(group)
        return content.get(name) if isinstance(content, Mapping) else None


def _combinations(values: _Values) -> Iterator[Problem]:
    """What Postal accepts and then does not do."""
    yield from _forgotten_switches(values)
    yield from _oidc_combinations(values)
    yield from _limits(values)
    if values.get("rspamd.enabled") and values.get("spamd.enabled"):
        yield Problem("spamd.enabled", True, "with rspamd on Postal never asks spamd", "use one")
    if values.given("smtp.username") != values.given("smtp.password"):
        lacks = "smtp.password" if values.given("smtp.username") else "smtp.username"
        yield Problem(
            lacks, None, "user and password only work together", "give both or leave both out"
        )


# Path of the switch -> keys that do nothing without it. A switch that says false is meant.
_SWITCHES = {
    "rspamd.enabled": ("rspamd.host", "rspamd.port", "rspamd.password", "rspamd.flags"),
    "spamd.enabled": ("spamd.host", "spamd.port"),
    "clamav.enabled": ("clamav.host", "clamav.port"),
    "smtp_server.tls_enabled": (
        "smtp_server.tls_certificate_path",
        "smtp_server.tls_private_key_path",
    ),
    "migration_waiter.enabled": ("migration_waiter.attempts", "migration_waiter.sleep_time"),
    "oidc.enabled": ("oidc.issuer", "oidc.identifier", "oidc.secret"),
    "gelf.host": ("gelf.port", "gelf.facility"),
}


def _forgotten_switches(values: _Values) -> Iterator[Problem]:
    for switch, keys in _SWITCHES.items():
        idle = [key for key in keys if values.given(key)]
        if idle and not values.given(switch):
            remedy = f"set it, or leave out {', '.join(idle)}"
            yield Problem(switch, None, f"not given: without it {idle[0]} does nothing", remedy)


def _oidc_combinations(values: _Values) -> Iterator[Problem]:
    enabled = values.get("oidc.enabled")
    if not enabled:
        if not values.get("oidc.local_authentication_enabled"):
            yield Problem(
                "oidc.local_authentication_enabled",
                False,
                "nobody could log in: OpenID Connect is off",
                "set oidc.enabled: true or leave this out",
            )
        return
    if "openid" not in values.get("oidc.scopes"):
        yield Problem(
            "oidc.scopes",
            values.get("oidc.scopes"),
            "without openid it is no OpenID Connect (Core 1.0 section 3.1.2.1)",
            "add openid",
        )
    discovery = values.get("oidc.discovery")
    endpoints = [f"oidc.{name}" for name in _OIDC_ENDPOINTS]
    needed = ["oidc.issuer", "oidc.identifier", "oidc.secret"] + ([] if discovery else endpoints)
    for path in needed:
        if not values.given(path):
            yield Problem(path, None, "not given: logging in would fail", "set it")
    for path in endpoints:
        if discovery and values.given(path):
            yield Problem(
                path,
                values.get(path),
                "Postal ignores it while discovery is on",
                "leave it out or set oidc.discovery: false",
            )


_OIDC_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


def _limits(values: _Values) -> Iterator[Problem]:
    spam, failure = "postal.default_spam_threshold", "postal.default_spam_failure_threshold"
    if values.get(failure) < values.get(spam):
        yield Problem(
            failure,
            values.get(failure),
            f"below {spam}: mail is refused before it counts as spam",
            f"give more than {values.get(spam)}",
        )
    if values.get("web_server.max_threads") > values.get("main_db.pool_size"):
        yield Problem(
            "main_db.pool_size",
            values.get("main_db.pool_size"),
            "fewer connections than web_server.max_threads: requests wait and time out",
            f"give {values.get('web_server.max_threads')} or more",
        )
    health = "smtp_server.default_health_server_port"
    if values.get(health) == values.get("smtp_server.default_port"):
        yield Problem(
            health,
            values.get(health),
            "the SMTP server's own port: its health page would be left out without an error",
            "give another port",
        )
