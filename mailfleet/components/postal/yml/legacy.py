"""From a postal.yml of version 1 (Postal 2 and older) to version 2.

Postal 3 still reads version 1, but reaches only part of its keys with it, and silently skips the
rest (lib/postal/legacy_config_source.rb at 3.3.6). Former names and defaults are those of
config/postal.defaults.yml at 2.0.0, 2.1.4 and 2.3.2.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mailfleet.components.postal.yml.schema import REMOVED, RENAMED, SCHEMA, find, nearest

# What version 1 and version 2 call the same.
_KEPT: Mapping[str, str] = {
    "web_server": "max_threads",
    "main_db": "host port username password database pool_size encoding",
    "message_db": "host port username password",
    "smtp_server": (
        "tls_enabled tls_certificate_path tls_private_key_path tls_ciphers ssl_version "
        "proxy_protocol max_message_size"
    ),
    "dns": (
        "mx_records spf_include route_domain track_domain helo_hostname dkim_identifier "
        "domain_verify_prefix custom_return_path_prefix"
    ),
    "smtp": "host port username password from_name from_address",
    "rails": "environment secret_key",
    "rspamd": "enabled host port ssl password flags",
    "spamd": "enabled host port",
    "clamav": "enabled host port",
    "smtp_client": "open_timeout read_timeout",
}
KEPT = frozenset(f"{group}.{name}" for group, names in _KEPT.items() for name in names.split())

# Keys whose default is another one now: what that means for a file that does not give them.
_NEW_DEFAULTS: Mapping[str, str] = {
    "web_server.bind_address": (
        "Postal 2.3 listened on 0.0.0.0, Postal 3 on 127.0.0.1: behind a bridge network set "
        "web_server.default_bind_address: 0.0.0.0"
    ),
    "main_db.host": "was 127.0.0.1, is localhost, which MariaDB's client takes for its socket",
    "message_db.host": "was 127.0.0.1, is localhost, which MariaDB's client takes for its socket",
    "smtp_client.read_timeout": "was 60 seconds, is 30",
    "workers.threads": "a worker had 4 threads, has 2: raise worker.threads if the queue grows",
}

_EMPTY = "empty: Postal's default holds"


@dataclass(frozen=True)
class Conversion:
    """A converted file, and where each key of the old one went.

    `config` is for `render`, without `version`. No text here holds a value of the file.
    """

    config: dict[str, dict[str, object]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert(old: Mapping[object, object]) -> Conversion:
    """Version 2 of a version 1 file, given as its mapping. Never raises.

    Values go over as they are, so run `problems` on the result. Only three are rewritten,
    without loss: relays become URLs, 5.0 becomes 5 where a whole number is needed, and one MX
    name becomes a list of one.
    """
    done = Conversion()
    for path, value in _leaves(old):
        if path == "smtp_relays":
            _convert_relays(value, done)
        else:
            _convert_key(path, value, done)
    _drop_idle_graylog(done)
    done.notes.extend(_default_notes(old))
    return done


def _leaves(old: Mapping[object, object]) -> Iterator[tuple[str, object]]:
    """The keys of a version 1 file by path, in order: groups have keys, logging.graylog too."""
    for group, content in old.items():
        if group == "version":
            continue
        if group == "smtp_relays" or not isinstance(content, Mapping) or not content:
            yield str(group), content
            continue
        for name, value in content.items():
            path = f"{group}.{name}"
            if path == "logging.graylog" and isinstance(value, Mapping) and value:
                yield from ((f"{path}.{key}", inner) for key, inner in value.items())
            else:
                yield path, value


def _convert_key(path: str, value: object, done: Conversion) -> None:
    new = RENAMED.get(path) or (path if path in KEPT else None)
    if new is None:
        done.dropped.append((path, _why_dropped(path)))
    elif value is None or value == "":
        done.dropped.append((path, _EMPTY))
    else:
        _put(done, path, new, _normalised(new, value))


def _put(done: Conversion, old: str, new: str, value: object) -> None:
    group, _, name = new.partition(".")
    done.config.setdefault(group, {})[name] = value
    if old == new:
        done.kept.append(old)
    else:
        done.moved.append((old, new))


def _normalised(path: str, value: object) -> object:
    key = find(path)
    if key is not None and key.type == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if key is not None and key.type == "list" and isinstance(value, str):
        return [value]
    return value


def _why_dropped(path: str) -> str:
    group = path.partition(".")[0]
    if path in REMOVED or group in REMOVED:
        return REMOVED.get(path) or REMOVED[group]
    if find(path) is not None:
        return (
            "a name of version 2, which never reached Postal from a version 1 file: add it to the "
            "new file if you want it"
        )
    if path in SCHEMA or path in _OLD_GROUPS:
        return "a group without keys"
    near = nearest(path)
    return "Postal knows no such key and ignored it" + (f": did you mean {near}?" if near else "")


_OLD_GROUPS = frozenset(old.rpartition(".")[0] for old in RENAMED) | {"workers"}


# smtp_relays: a list of {hostname, port, ssl_mode}


def _convert_relays(relays: object, done: Conversion) -> None:
    if relays is None or relays == []:
        done.dropped.append(("smtp_relays", _EMPTY))
        return
    if not isinstance(relays, list):
        done.dropped.append(("smtp_relays", "not a list of relays: Postal would not have started"))
        return
    urls = [_relay_url(f"smtp_relays[{at}]", relay, done) for at, relay in enumerate(relays)]
    given = [url for url in urls if url is not None]
    if given:
        _put(done, "smtp_relays", RENAMED["smtp_relays"], given)


def _relay_url(path: str, relay: object, done: Conversion) -> str | None:
    if not isinstance(relay, Mapping):
        done.dropped.append((path, "not a mapping with hostname, port and ssl_mode"))
        return None
    for name in relay:
        if name not in ("hostname", "port", "ssl_mode"):
            done.dropped.append((f"{path}.{name}", _why_relay_key_dropped(str(name))))
    if not relay.get("hostname"):
        done.dropped.append((path, "without a hostname: Postal ignored it"))
        return None
    port = "" if relay.get("port") is None else f":{relay['port']}"
    return f"smtp://{relay['hostname']}{port}?ssl_mode={_ssl_mode(path, relay, done)}"


def _why_relay_key_dropped(name: str) -> str:
    if re.search("user|pass|auth", name):
        return "Postal cannot log in at a relay, and never did: the relay must know it by address"
    return "Postal knows no such key of a relay and ignored it"


def _ssl_mode(path: str, relay: Mapping[object, object], done: Conversion) -> object:
    mode = relay.get("ssl_mode")
    # YAML reads an unquoted `ssl_mode: None` as the text None, but `~` and `no` as something else.
    if mode is None or mode is False or mode == "":
        done.notes.append(
            f"{path}.ssl_mode: not given, which meant clear text and stays so; "
            "ssl_mode=Auto uses TLS where the relay offers it"
        )
        return "None"
    return mode


def _drop_idle_graylog(done: Conversion) -> None:
    """Postal 2's example file gives Graylog's port also without a host, when nothing is sent."""
    gelf = done.config.get("gelf", {})
    if not gelf or "host" in gelf:
        return
    del done.config["gelf"]
    idle = [(old, new) for old, new in done.moved if new.startswith("gelf.")]
    for pair in idle:
        done.moved.remove(pair)
        done.dropped.append((pair[0], "without logging.graylog.host nothing is sent"))


def _default_notes(old: Mapping[object, object]) -> Iterator[str]:
    given = {path for path, value in _leaves(old) if value not in (None, "")}
    for path, consequence in _NEW_DEFAULTS.items():
        if path not in given:
            yield f"{path}: not given; {consequence}"
