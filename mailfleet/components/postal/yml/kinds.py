"""What a text must be to mean something to Postal, for each kind of text."""

import ipaddress
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping

from mailfleet.components.postal.yml.schema import Key, Kind

Complaint = tuple[str, str]
"""What is wrong, and the remedy."""


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


TEXT_CHECKS: Mapping[Kind, Callable[[Key, str], Iterator[Complaint]]] = {
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
