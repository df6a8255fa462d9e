"""What is on a host: everything a run's bundles ask about, in one round trip."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra.api.facts import FactBase
from typing_extensions import override

from mailfleet.converge.bundle import Bundle
from mailfleet.drift.judges import UNIT_PROPERTIES, units

STATE_DIRECTORY = "/var/lib/mailfleet"


@dataclass(frozen=True)
class Path:
    """A file or directory as it is on the host."""

    kind: str
    mode: int
    uid: int
    gid: int
    sha256: str = ""


@dataclass(frozen=True)
class Container:
    """A container that belongs to a compose project."""

    project: str
    service: str
    config_hash: str
    state: str
    status: str

    @property
    def healthy(self) -> bool:
        """Running, and not failing or awaiting its health check."""
        return self.state == "running" and not any(
            word in self.status for word in ("(unhealthy)", "(health: starting)")
        )


@dataclass(frozen=True)
class Observation:
    """A host's state; absent things are simply not in it."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    owned: frozenset[str] = frozenset()
    """Every file found in owned directories."""
    packages: frozenset[str] = frozenset()
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    applied: Mapping[str, str] = field(default_factory=dict)
    """`<component>/<record>` -> what was last applied."""
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`<component>/<fact or condition>` -> lines of output."""

    def fact(self, component: str, name: str) -> str:
        """Output of a fact or of a condition's look; empty when it was not looked at."""
        return "\n".join(self.facts.get(f"{component}/{name}", ())).strip()


@dataclass(frozen=True)
class Wanted:
    """What to look at. The repr is short since pyinfra prints it with -v."""

    bundles: tuple[Bundle, ...]

    def __repr__(self) -> str:
        return " ".join(bundle.component for bundle in self.bundles)

    @property
    def script(self) -> str:
        """POSIX shell that prints one section after the other. Facts are asked at the same time:
        most of them wait for a daemon."""
        bundles = self.bundles
        files = [item.path for bundle in bundles for item in bundle.files]
        files += [path for bundle in bundles for path in bundle.absent]
        directories = [item for bundle in bundles for item in bundle.directories]
        owned = [item.path for item in directories if item.owned]
        packages = [name for bundle in bundles for name in bundle.packages]
        units = [unit.name for bundle in bundles for unit in bundle.units]
        sections = [
            _section(
                "paths",
                "stat -c '%F|%a|%u|%g|%n' --",
                [*files, *(item.path for item in directories)],
            ),
            _section("hashes", "sha256sum --", files),
            _section("owned", "find", owned, " -mindepth 1 ! -type d"),
            _section("packages", "dpkg-query -W -f '${db:Status-Status} ${Package}\\n'", packages),
            _section(
                "units",
                f"systemctl show -p {UNIT_PROPERTIES} --",
                units,
            ),
        ]
        if any(bundle.project for bundle in bundles):
            label = "com.docker.compose"
            columns = [f'{{{{.Label "{label}.{name}"}}}}' for name in _LABELS]
            columns += ["{{.State}}", "{{.Status}}"]
            sections.append(
                _section(
                    "containers",
                    # Containers of `docker compose run` are someone's console, not a service.
                    f"docker ps -a --filter label={label}.project "
                    f"--filter label={label}.oneoff=False --format",
                    ["|".join(columns)],
                )
            )
        applied = f"{STATE_DIRECTORY}/applied"
        sections.append(f"echo '##applied'; cd {applied} 2>/dev/null && grep -rH '' . ; cd /")
        asked = []
        for bundle in bundles:
            looks = {item.name: item.look for item in bundle.conditions}
            looks |= {unit.name: unit.in_force for unit in bundle.units if unit.in_force}
            for name, command in {**bundle.facts, **looks}.items():
                heading = f"##fact {bundle.component}/{name}"
                asked.append(f"( say \"$(echo '{heading}'; ( {command}\n) 2>&1)\" ) &")
        known = ["known=$(", *sections, ")", '( say "$known" )']
        return "\n".join(["export LC_ALL=C", _DOCKER, _SAY, *asked, *known, "wait", "exit 0"])


# One whole answer after the other. Each caller opens the lock anew: it belongs to who opened it.
_SAY = "say() { exec 9</; flock 9; printf '%s\\n' \"$1\"; }"

# A question to a stopped Docker would start it, by its socket.
_DOCKER = "systemctl is-active --quiet docker.service || docker() { return 1; }"

_LABELS = ("project", "service", "config-hash")


def _section(name: str, command: str, arguments: Iterable[str], tail: str = "") -> str:
    quoted = " ".join(shlex.quote(argument) for argument in arguments)
    return f"echo '##{name}'; {command} {quoted}{tail} 2>/dev/null" if quoted else ""


def parse(output: Sequence[str]) -> Observation:
    """Read the output of `Wanted.script`."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in output:
        if line.startswith("##"):
            current = sections.setdefault(line[2:], [])
        else:
            current.append(line)
    return Observation(
        paths=dict(_paths(sections.get("paths", []), sections.get("hashes", []))),
        owned=frozenset(sections.get("owned", [])),
        packages=frozenset(
            line.removeprefix("installed ")
            for line in sections.get("packages", [])
            if line.startswith("installed ")
        ),
        units=dict(units(sections.get("units", []))),
        containers=tuple(Container(*line.split("|")) for line in sections.get("containers", [])),
        applied=dict(_applied(sections.get("applied", []))),
        facts={
            name.removeprefix("fact "): tuple(lines)
            for name, lines in sections.items()
            if name.startswith("fact ")
        },
    )


def _paths(lines: Iterable[str], hash_lines: Iterable[str]) -> Iterator[tuple[str, Path]]:
    hashes = {path: digest for digest, _, path in (line.partition("  ") for line in hash_lines)}
    for line in lines:
        kind, mode, uid, gid, path = line.split("|", 4)
        kind = "regular file" if kind == "regular empty file" else kind
        yield path, Path(kind, int(mode, 8), int(uid), int(gid), hashes.get(path, ""))


def _applied(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        path, _, value = line.removeprefix("./").partition(":")
        yield path, value


class HostState(FactBase[Observation]):
    """The state of a host, as far as some bundles are concerned."""

    @override
    def command(self, wanted: Wanted) -> str:
        return wanted.script

    @staticmethod
    @override
    def default() -> Observation:
        return Observation()

    @override
    def process(self, output: Sequence[str]) -> Observation:
        return parse(output)
