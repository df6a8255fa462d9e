"""How answers of hosts are judged: lines of output against what is wanted.

Used on both sides: `mailfleet drift` judges with these functions, and `base` installs this very
file on each host for `mailfleet-verify`. So: the standard library only, Python 3.10, and `wanted`
is what JSON can hold. Each judge takes `(wanted, lines)` and is pure."""

import difflib
import json
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

DEPLOY = "deploy again"
"""The remedy of whatever a deploy puts right by itself."""

Lines = Sequence[str]


class Deviation(NamedTuple):
    """A difference; `kind` is one of those in mailfleet/drift/finding.py."""

    kind: str
    name: str
    wanted: str
    seen: str
    remedy: str


def unknown(name: str, said: str, remedy: str = "look on the host why it cannot tell") -> Deviation:
    """Of a question without an answer: silence must not pass for health."""
    return Deviation("unknown", name, "an answer", said or "nothing", remedy)


# The host itself.

CLOCK_LIMIT_SECONDS = 0.5
"""DKIM, TLS and replication take more; an hourly drift of this size tells of a broken clock."""
_SYNCHRONISES_WITHIN_SECONDS = 600


def updates(wanted: None, lines: Lines) -> Iterator[Deviation]:
    """Held packages, and security updates that wait (unattended-upgrades installs them daily)."""
    for line in lines:
        kind, name, *versions = line.split()
        if kind == "held":
            remedy = f"`apt-mark unhold {name}`"
            yield Deviation("package", name, "updated", "held back", remedy)
        else:
            old, new = versions
            remedy = f"`apt-get install --only-upgrade {name}`, or wait for the daily upgrade"
            yield Deviation("update", name, new, old, remedy)


def failed_units(described: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Those of the description are findings of their component."""
    for name in (line.split()[0] for line in lines if line.split()):
        if name not in described:
            remedy = f"read `journalctl -u {name}`; `systemctl reset-failed {name}` when done"
            yield Deviation("unit", name, "not failed", "failed", remedy)


def leftovers(described: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Files that mailfleet once wrote where others have files too, and that nothing describes."""
    for path in sorted(set(lines) - set(described)):
        if path.endswith("/compose.yaml"):
            remedy = f"`docker compose --file {path} down`, then remove {path.rpartition('/')[0]}"
        elif path.endswith(".json"):
            component = path.rpartition("/")[2].removesuffix(".json")
            remedy = f"remove it, and what it lists: the host no longer carries {component}"
        else:
            remedy = f"`systemctl disable --now {path.rpartition('/')[2]}`, then remove it"
        yield Deviation("orphan", path, "absent", "left by an earlier description", remedy)


def clock(wanted: None, lines: Lines) -> Iterator[Deviation]:
    """`<seconds since chronyd's start>,<chronyc -c tracking>` (chronyc(1), "tracking")."""
    for line in lines:
        running, *fields = line.split(",")
        offset, leap = float(fields[4]), fields[13]
        if abs(offset) > CLOCK_LIMIT_SECONDS:
            seen = f"off by {offset:+.3f} s"
        elif leap == "Not synchronised" and int(running) > _SYNCHRONISES_WITHIN_SECONDS:
            seen = "not synchronised"
        else:
            continue
        remedy = "read `chronyc sources`: open UDP 123 outbound, or set base_ntp_servers"
        yield Deviation("clock", "clock", f"within {CLOCK_LIMIT_SECONDS} s", seen, remedy)


def reboot(wanted: None, lines: Lines) -> Iterator[Deviation]:
    """Reasons, one a line."""
    for line in lines:
        remedy = "reboot when the queue is empty; the deploys never do"
        yield Deviation("reboot", "reboot", "not needed", line.strip(), remedy)


# Ways in.

ANYWHERE = "0.0.0.0"
# DHCP clients (RFC 2131 section 4.1, RFC 8415 section 7.2).
_CLIENTS = {("udp", 68), ("udp", 546)}


def ports(uses: Sequence[Sequence[Any]], lines: Lines) -> Iterator[Deviation]:
    """Lines of `ss -Hltnup`: netid, state, queues, local address, peer, process; against protocol,
    port and address. What listens on loopback only is nobody's business."""
    declared = {(protocol, port): address for protocol, port, address in uses}
    reported = set()
    for line in lines:
        protocol, _, _, _, local, _, *process = line.split()
        address, _, number = local.rpartition(":")
        address = address.partition("%")[0].strip("[]").removeprefix("::ffff:")
        at = (protocol, int(number))
        if at in reported or at in _CLIENTS or address.startswith("127.") or address == "::1":
            continue
        wanted = declared.get(at)
        if wanted in (ANYWHERE, address):
            continue
        reported.add(at)
        holder = process[0].split('"')[1] if process and '"' in process[0] else "a program"
        yield Deviation(
            "port",
            f"{number}/{protocol}",
            f"listens on {wanted} only" if wanted else "nothing listens",
            f"{holder} listens on {address}",
            f"stop {holder}, bind it to loopback, or describe the port in access_open",
        )


_RELOAD = "`systemctl reload mailfleet-firewall`"


def firewall(wanted: None, lines: Lines) -> Iterator[Deviation]:
    """Lines `seen|RULE` and `wanted|RULE`: one for each rule that is missing, and for each that
    nobody described."""
    sides: dict[str, list[str]] = {"seen": [], "wanted": []}
    for line in lines:
        side, _, rule = line.partition("|")
        sides[side].append(rule.strip())
    for line in difflib.ndiff(sides["seen"], sides["wanted"]):
        mark, rule = line[:1], line[2:]
        if mark == "+":
            yield Deviation("firewall", rule, "in force", "not in force", _RELOAD)
        elif mark == "-":
            yield Deviation("firewall", rule, "not in force", "in force", _RELOAD)


_SAME = {"without-password": "prohibit-password"}
"""What `sshd -T` prints for what sshd_config(5) prefers."""


def sshd(settings: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Lines of `sshd -T`, against `Keyword value` of the drop-in: sshd takes the first value that
    it reads, which may be another file's."""
    is_effective = dict(line.lower().split(" ", 1) for line in lines if " " in line)
    for setting in settings:
        keyword, _, value = setting.partition(" ")
        if not value or keyword.startswith("#"):
            continue
        seen = is_effective.get(keyword.lower(), "unset")
        if _SAME.get(seen, seen) != value.lower():
            remedy = f"look for {keyword} with `grep -ri {keyword} /etc/ssh`"
            yield Deviation("sshd", keyword, value, seen, remedy)


_TYPES = ("ssh-", "ecdsa-", "sk-")
# They end at the first space outside of quotes.
_OPTIONS = re.compile(r'(?:[^\s"]|"(?:\\"|[^"])*")+\s+')


def logins(described: Mapping[str, Sequence[str]], lines: Lines) -> Iterator[Deviation]:
    """Lines `user NAME` and `key NAME LINE`; against user -> lines of authorized_keys (sshd(8),
    "AUTHORIZED_KEYS FILE FORMAT")."""
    users = {line.split()[1] for line in lines if line.startswith("user ")}
    wanted = {(user, _key(line)): line for user, keys in described.items() for line in keys}
    seen: dict[tuple[str, str], str] = {}
    for line in lines:
        if line.startswith("key "):
            _, user, rest = line.split(" ", 2)
            seen[user, _key(rest)] = rest
    for user in sorted(users - set(described) - {"root"}):
        remedy = f"`usermod --shell /usr/sbin/nologin {user}`, or describe it in access_logins"
        yield Deviation("login", user, "no login", "has a login shell", remedy)
    for user in sorted(set(described) - users):
        yield Deviation("login", user, "can log in", "cannot", f"make the user: `adduser {user}`")
    for one in sorted(set(seen) - set(wanted)):
        remedy = f"remove the line from ~{one[0]}/.ssh/authorized_keys, or describe the key"
        yield Deviation("key", one[0], "no such key", _shown(seen[one]), remedy)
    for one in sorted(set(wanted) - set(seen)):
        if one[0] in users:
            remedy = f"add it to ~{one[0]}/.ssh/authorized_keys, or take it out of access_logins"
            yield Deviation("key", one[0], _shown(wanted[one]), "no such key", remedy)


def _key(line: str) -> str:
    """Type and base64 of a line, without the options before and the comment after."""
    line = line.strip()
    for rest in (line, _OPTIONS.sub("", line, count=1)):
        if rest.startswith(_TYPES):
            return " ".join(rest.split()[:2])
    return line


def _shown(line: str) -> str:
    """Enough of a key to find it: type, end, comment."""
    words = _key(line).split()
    comment = line.rpartition(words[-1])[2].strip()
    return f"{words[0]} ...{words[-1][-12:]} {comment}".strip()


# Units, services and containers.

_DAY_SECONDS = 86400
_SLACK_SECONDS = 2
"""Times of files, units and containers are read with less than a second's precision."""


def overrides_and_timers(described: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Drop-ins by hand change what a unit does; a timer that has elapsed never fires again."""
    for unit, properties in _states(lines):
        for path in properties.get("DropInPaths", "").split():
            if path.startswith(("/etc/", "/run/")) and path not in described:
                remedy = f"`systemctl revert {unit}`, or remove {path} and reload systemd"
                yield Deviation("unit", unit, "as described", f"overridden by {path}", remedy)
        if unit.endswith(".timer") and properties.get("SubState") == "elapsed":
            remedy = f"`systemctl restart {unit}`"
            yield Deviation("timer", unit, "a next run", "elapsed for good", remedy)


def older(service: Mapping[str, Any], lines: Lines) -> Iterator[Deviation]:
    """Files that were touched after the service read them, whatever is in them now. The status
    change time counts: mailfleet's own files carry the control machine's modification time."""
    touched: dict[str, float] = {}
    made_to_follow = 0.0
    for line in lines:
        kind, _, rest = line.partition("|")
        at, _, path = rest.partition("|")
        if kind == "file" and path in service["files"]:
            touched[path] = float(at)
        elif kind == "record" and path == service["record"]:
            made_to_follow = float(at)
    started = _started(service, lines)
    if not started:
        return
    # Of several containers, the oldest.
    read = max(made_to_follow, min(started))
    for path, written in touched.items():
        if written > read + _SLACK_SECONDS:
            at = datetime.fromtimestamp(written, timezone.utc).isoformat(" ", "seconds")  # noqa: UP017
            yield Deviation(
                "stale",
                service["name"],
                f"started after {path} was last written",
                f"{path} was written later, at {at}",
                service["remedy"],
            )


def _started(service: Mapping[str, Any], lines: Lines) -> list[float]:
    """Unix times at which the unit came into its state, or the project's containers started."""
    if service["is_project"]:
        return [
            item.started
            for item in _containers(lines)
            if item.running and item.project == service["name"] and not item.console
        ]
    changed = dict(_states(lines)).get(service["name"], {}).get("StateChangeTimestamp", "")
    return [float(changed[1:])] if changed.startswith("@") else []


def _states(lines: Lines) -> Iterator[tuple[str, dict[str, str]]]:
    return units(line.removeprefix("unit|") for line in lines if line.startswith("unit|"))


def units(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Output of `systemctl show -p Id,...`: each unit with its properties."""
    properties: dict[str, str] = {}
    for line in [*lines, ""]:
        if line:
            name, _, value = line.partition("=")
            properties[name] = value
        elif properties:
            yield properties.get("Id", ""), properties
            properties = {}


UNIT_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload"
_ENABLED = ("enabled", "static", "generated", "enabled-runtime")


def unit(name: str, properties: Mapping[str, str], is_effective: bool) -> Iterator[Deviation]:
    """A unit of the description, by UNIT_PROPERTIES. `is_effective`: whether what it did holds."""
    active = properties.get("ActiveState", "unknown")
    if properties.get("LoadState", "not-found") == "not-found":
        yield Deviation("unit", name, "active", "not found", DEPLOY)
        return
    if active != "active":
        remedy = f"read `journalctl -u {name}`, then {DEPLOY}"
        yield Deviation("unit", name, "active", active, remedy)
    elif not is_effective:
        yield Deviation("unit", name, "in force", "active, but not in force", DEPLOY)
    if properties.get("UnitFileState") not in _ENABLED:
        found = properties.get("UnitFileState") or "not installed"
        yield Deviation("unit", name, "enabled", found, DEPLOY)
    if properties.get("NeedDaemonReload") != "no":
        yield Deviation("unit", name, "the unit file on disk", "systemd knows an older one", DEPLOY)


def healthy(state: str, status: str) -> bool:
    """Running, and not failing or awaiting its health check, by `docker ps`."""
    return state == "running" and not ("(unhealthy)" in status or "(health: starting)" in status)


class _Container(NamedTuple):
    name: str
    project: str
    service: str
    console: bool
    restarts: int
    started: float
    """Unix time."""
    running: bool
    image: str
    tag: str


def _containers(lines: Lines) -> Iterator[_Container]:
    """From lines `container|...`: see mailfleet/deploying/drift_containers.py."""
    for line in lines:
        kind, *fields = line.split("|")
        if kind != "container":
            continue
        name, project, service, oneoff, restarts, started, running, image, tag = fields
        yield _Container(
            name.lstrip("/"),
            project,
            service,
            # `docker compose run` is someone's console.
            oneoff == "True",
            int(restarts),
            datetime.fromisoformat(started[:19] + "+00:00").timestamp(),
            running == "true",
            image,
            tag,
        )


def containers(wanted: Mapping[str, Any], lines: Lines) -> Iterator[Deviation]:
    """Strangers, restarts, and images that are not what their tag now names. Beside the containers
    lines `now|UNIX TIME` and `image|TAG|ID`; against project -> its services, and the names of
    projects and containers that are not mailfleet's business."""
    rows = [line.split("|") for line in lines]
    now = max((int(row[1]) for row in rows if row[0] == "now"), default=0)
    tags = {row[1]: row[2] for row in rows if row[0] == "image"}
    for item in _containers(lines):
        if item.console or (item.project or item.name) in wanted["others"]:
            continue
        if item.service not in wanted["projects"].get(item.project, ()):
            remedy = (
                f"`docker rm -f {item.name}`, once nobody needs it; else "
                f"add {item.project or item.name} to docker_others"
            )
            yield Deviation("orphan", item.name, "absent", f"a container of {item.tag}", remedy)
            continue
        yield from _own(item, now, tags)


def _own(item: _Container, now: int, tags: Mapping[str, str]) -> Iterator[Deviation]:
    name = f"{item.project}/{item.service}"
    if item.restarts and now - item.started < _DAY_SECONDS:
        remedy = f"read `docker logs {item.name}`: it ended by itself and was started again"
        seen = f"{item.restarts}, the last one within a day"
        yield Deviation("restarts", name, "0", seen, remedy)
    current = tags.get(item.tag, item.image)
    if current != item.image:
        remedy = f"`docker compose --project-directory /opt/{item.project} up --detach`"
        yield Deviation("image", name, f"{item.tag}, {_short(current)}", _short(item.image), remedy)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def daemon(options: Mapping[str, Any], lines: Lines) -> Iterator[Deviation]:
    """What the engine says of itself (Docker Engine API, "/info"), against daemon.json."""
    info = json.loads("\n".join(lines))
    # An engine without pools of its own does not name any.
    pools = info.get("DefaultAddressPools") or ()
    is_effective = {
        "log-driver": info["LoggingDriver"],
        "live-restore": info["LiveRestoreEnabled"],
        "default-address-pools": [{"base": pool["Base"], "size": pool["Size"]} for pool in pools],
        "registry-mirrors": _without_slash(info["RegistryConfig"]["Mirrors"]),
    }
    wanted = {**options, "registry-mirrors": _without_slash(options.get("registry-mirrors"))}
    for key, value in is_effective.items():
        if key in options and wanted[key] != value:
            remedy = "`systemctl restart docker`; containers run on meanwhile (live-restore)"
            yield Deviation("daemon", key, json.dumps(wanted[key]), json.dumps(value), remedy)


DAEMON_OPTIONS = ("log-driver", "live-restore", "default-address-pools", "registry-mirrors")
"""Those of daemon.json that the engine tells."""


def _without_slash(urls: object) -> list[str]:
    return [str(url).rstrip("/") for url in urls] if isinstance(urls, list) else []


# What servers say.


def postfix(parameters: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Lines of `postconf -n`, against `name = value` of postfix-main.cf."""
    is_effective = dict(_parameters(lines))
    for name, value in _parameters(parameters):
        seen = is_effective.get(name, "unset")
        if seen != value:
            remedy = "`docker compose up --detach --force-recreate` in /opt/mailserver"
            yield Deviation("variable", name, value, seen, remedy)


def _parameters(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name.strip(), " ".join(value.split())


LIFE_DAYS = 90
"""What limits of certificates are meant for. Of a shorter life they are the same part, as Caddy
renews when a third is left of any: its own CA issues for half a day, private ones often for one."""
_LEFT_DAYS = 14


def certificates(names: Sequence[str], lines: Lines) -> Iterator[Deviation]:
    """Lines `name NAME`, each before what `openssl x509 -noout -dates -ext subjectAltName` says
    of the certificate that is served for it, or before nothing."""
    served: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("name "):
            said = served.setdefault(line.removeprefix("name "), [])
        elif line:
            said.append(line.strip())
    for name in names:
        if seen := _wrong(served.get(name, []), name):
            days = f"for {name}, {_LEFT_DAYS} of {LIFE_DAYS} days left"
            remedy = "the runbook on certificates tells how a renewal is found and made to work"
            yield Deviation("certificate", name, days, seen, remedy)


def _wrong(said: Lines, name: str) -> str:
    """What is wrong with a certificate; empty where nothing is."""
    dates = dict(line.split("=", 1) for line in said if line.startswith("not"))
    if not dates:
        return "none is served"
    began, ends = (ssl.cert_time_to_seconds(dates[it]) for it in ("notBefore", "notAfter"))
    left, life = ends - time.time(), ends - began
    names = {
        each.removeprefix("DNS:").lower()
        for line in said
        for each in line.split(", ")
        if each.startswith("DNS:")
    }
    # RFC 9525 section 6.3: the whole name, or `*` in place of its first label.
    if names.isdisjoint({name.lower(), f"*.{name.partition('.')[2]}".lower()}):
        return "for another name"
    if left < 0:
        return "expired"
    least = min(life, LIFE_DAYS * _DAY_SECONDS) * _LEFT_DAYS / LIFE_DAYS
    return f"ends in {left / _DAY_SECONDS:.1f} days" if left < least else ""


_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def variables(wanted: Mapping[str, str], lines: Lines) -> Iterator[Deviation]:
    """MariaDB's effective variables: lines `version VERSION` and `variable<tab>NAME<tab>VALUE`."""
    if not any(line.startswith("version ") for line in lines):
        yield unknown("database server", "nothing", "read `docker logs mariadb`")
        return
    rows = (line.split("\t", 2)[1:] for line in lines if line.startswith("variable\t"))
    known = {row[0]: row[1] for row in rows}
    for name, value in wanted.items():
        seen = known.get(name, "unknown to the server")
        # log_bin takes a file name, and tells whether it is on.
        expected = "ON" if name == "log_bin" else value
        if _plain(seen) != _plain(expected):
            remedy = f"`docker restart mariadb`, or `SET GLOBAL {name}` where that can be done"
            yield Deviation("variable", name, expected, seen, remedy)


def database(wanted: Mapping[str, Any], lines: Lines) -> Iterator[Deviation]:
    """The rights of Postal's user, and Postal's schema: lines `version VERSION`, `password HASH`,
    `schema VERSION` and those of SHOW GRANTS."""
    if not any(line.startswith("version ") for line in lines):
        yield unknown("database server", "nothing", "read `docker logs mariadb`")
        return
    user = wanted["user"]
    if not any(line.startswith("password ") for line in lines):
        yield Deviation("grant", user, "a database user", "absent", DEPLOY)
        return
    rights, seen = {(privileges, scope) for privileges, scope in wanted["rights"]}, granted(lines)
    for privileges, scope in sorted(rights - seen):
        yield Deviation("grant", user, f"{privileges} on {scope}", "not granted", DEPLOY)
    for privileges, scope in sorted(seen - rights):
        yield Deviation("grant", user, "not granted", f"{privileges} on {scope}", DEPLOY)
    if not any(line.startswith("schema ") and line != "schema NULL" for line in lines):
        yield Deviation("schema", wanted["schema"], "Postal's tables", "none", DEPLOY)


def _plain(value: str) -> str:
    """Sizes in bytes, switches as 0 and 1."""
    value = value.strip().upper()
    if value[:-1].isdigit() and value[-1] in _UNITS:
        return str(int(value[:-1]) * _UNITS[value[-1]])
    return {"ON": "1", "OFF": "0"}.get(value, value)


_GRANT = re.compile(r"GRANT (.+) ON (\S+) TO \S+( WITH GRANT OPTION)?")


def granted(lines: Iterable[str]) -> set[tuple[str, str]]:
    """Privileges and scopes, from lines of SHOW GRANTS."""
    matches = filter(None, map(_GRANT.match, lines))
    rights = {(f"{match[1]}{match[3] or ''}", match[2]) for match in matches}
    # USAGE is no right: it says that the user exists.
    return {(privileges, scope) for privileges, scope in rights if privileges != "USAGE"}


def password(wanted: Mapping[str, str], lines: Lines) -> Iterator[Deviation]:
    """Line `password HASH` of a database user. One that is not there is no other password."""
    told = [line for line in lines if line.startswith("password ")]
    if told and told != [wanted["told"]]:
        yield Deviation("grant", wanted["user"], "the described password", "another one", DEPLOY)


def aliases(wanted: Mapping[str, Any], lines: Lines) -> Iterator[Deviation]:
    """The digest of the e-mail API's aliases."""
    if "\n".join(lines).strip() != wanted["digest"]:
        described = f"the {wanted['count']} that are described"
        yield Deviation("alias", "aliases", described, "others", DEPLOY)
