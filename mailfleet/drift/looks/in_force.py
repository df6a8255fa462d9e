"""Rules and options in force, against those described: a file is what a program once read."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from mailfleet.converge.bundle import Bundle
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, container_runs, docker_runs

_RULES = "/etc/mailfleet/firewall.nft"
_DAEMON = "/etc/docker/daemon.json"
_SSHD = "/etc/ssh/sshd_config.d/"
_POSTFIX = "/opt/mailserver/config/postfix-main.cf"

_RELOAD = "`systemctl reload mailfleet-firewall`"

# The described rules are loaded in a network namespace of their own, which ends with the command:
# nft then prints both in one form. A missing table is the firewall unit's finding.
_COMPARE = """
nft list chain inet mailfleet input >/dev/null 2>&1 || exit 0
wanted=$(unshare --net sh -e -c 'nft -f -; nft -s -t list table inet mailfleet' <<'END_OF_RULES'
{rules}
END_OF_RULES
) || exit 1
nft -s -t list table inet mailfleet | sed 's/^/seen|/'
echo "$wanted" | sed 's/^/wanted|/'
"""


# What `docker info` asks, which itself takes four times as long: it starts each of its plugins. The
# socket would start Docker.
_ENGINE = (
    "systemctl is-active --quiet docker.service && "
    "curl --silent --fail --max-time 20 --unix-socket /run/docker.sock http://docker/info"
)


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    for bundle in bundles.values():
        for item in bundle.files:
            if item.path == _RULES:
                command = _COMPARE.format(rules=item.content.decode())
                yield Look(bundle.component, "firewall", command, rules)
            elif item.path == _DAEMON:
                options = json.loads(item.content)
                yield Look(
                    bundle.component,
                    "daemon options",
                    _ENGINE,
                    partial(daemon, options=options),
                    applies=docker_runs,
                )
            elif item.path == _POSTFIX:
                parameters = item.content.decode().splitlines()
                yield Look(
                    bundle.component,
                    "Postfix parameters",
                    "docker exec mailserver postconf -n",
                    partial(postfix, parameters=parameters),
                    applies=container_runs("mailserver", "mailserver"),
                )
            elif item.path.startswith(_SSHD):
                settings = item.content.decode().splitlines()
                yield Look(
                    bundle.component,
                    "sshd",
                    "sshd -T",
                    partial(sshd, settings=settings),
                )


def rules(lines: Sequence[str]) -> Iterator[Difference]:
    """One finding for each rule that is missing, and for each that nobody described."""
    sides: dict[str, list[str]] = {"seen": [], "wanted": []}
    for line in lines:
        side, _, rule = line.partition("|")
        sides[side].append(rule.strip())
    for line in difflib.ndiff(sides["seen"], sides["wanted"]):
        mark, rule = line[:1], line[2:]
        if mark == "+":
            yield Difference(Kind.FIREWALL, rule, "in force", "not in force", _RELOAD)
        elif mark == "-":
            yield Difference(Kind.FIREWALL, rule, "not in force", "in force", _RELOAD)


_SAME = {"without-password": "prohibit-password"}
"""What `sshd -T` prints for what sshd_config(5) prefers."""


def sshd(lines: Sequence[str], settings: Iterable[str]) -> Iterator[Difference]:
    """Lines of `sshd -T`, against `Keyword value` of the drop-in: sshd takes the first value that
    it reads, which may be another file's."""
    in_force = dict(line.lower().split(" ", 1) for line in lines if " " in line)
    for setting in settings:
        keyword, _, value = setting.partition(" ")
        if not value or keyword.startswith("#"):
            continue
        seen = in_force.get(keyword.lower(), "unset")
        if _SAME.get(seen, seen) != value.lower():
            remedy = f"look for {keyword} with `grep -ri {keyword} /etc/ssh`"
            yield Difference(Kind.SSHD, keyword, value, seen, remedy)


def postfix(lines: Sequence[str], parameters: Iterable[str]) -> Iterator[Difference]:
    """Lines of `postconf -n`, against `name = value` of postfix-main.cf."""
    in_force = dict(_parameters(lines))
    for name, value in _parameters(parameters):
        seen = in_force.get(name, "unset")
        if seen != value:
            remedy = "`docker compose up --detach --force-recreate` in /opt/mailserver"
            yield Difference(Kind.VARIABLE, name, value, seen, remedy)


def _parameters(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name.strip(), " ".join(value.split())


def daemon(lines: Sequence[str], options: Mapping[str, object]) -> Iterator[Difference]:
    """What the engine says of itself (Docker Engine API, "/info"), against daemon.json."""
    info = json.loads("\n".join(lines))
    pools = [{"base": pool["Base"], "size": pool["Size"]} for pool in info["DefaultAddressPools"]]
    mirrors = [url.rstrip("/") for url in info["RegistryConfig"]["Mirrors"] or ()]
    in_force = {
        "log-driver": info["LoggingDriver"],
        "live-restore": info["LiveRestoreEnabled"],
        "default-address-pools": pools,
        "registry-mirrors": mirrors,
    }
    wanted = {**options, "registry-mirrors": _without_slash(options.get("registry-mirrors"))}
    for key, value in in_force.items():
        if key in options and wanted[key] != value:
            remedy = "`systemctl restart docker`; containers run on meanwhile (live-restore)"
            yield Difference(Kind.DAEMON, key, json.dumps(wanted[key]), json.dumps(value), remedy)


def _without_slash(urls: object) -> list[str]:
    return [str(url).rstrip("/") for url in urls] if isinstance(urls, list) else []
