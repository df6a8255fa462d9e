"""The observed state of a host: everything that the bundles of a run query, in one round trip.

Wire format: the script of `Desired` prints sections, read by `parse`. A line `##NAME` opens one.

    ##asked              names of all queries; a query without a section has no answer
    ##paths              one line a path: KIND|MODE|UID|GID|PATH (stat); absent paths are left out
    ##hashes             SHA256  PATH (sha256sum), of regular files
    ##owned              paths of the files in owned directories
    ##applied            COMPONENT/RECORD:FINGERPRINT, what each service last applied
    ##packages, ##units  output of `dpkg-query` and of `systemctl show`
    ##containers         PROJECT|SERVICE|CONFIG-HASH|STATE|STATUS
    ##fact COMPONENT/X   output of the fact, state check or `is_effective` X
    ##changing           from SettledState alone: who is changing the host; nothing else follows
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra.api.facts import FactBase
from typing_extensions import override

from mailfleet.agent.evaluate import UNIT_PROPERTIES, healthy, units
from mailfleet.checks.run_parallel import UTF_8_ONLY
from mailfleet.converge.bundle import Bundle

STATE_DIRECTORY = "/var/lib/mailfleet"

ANSWER_SECONDS = 30
"""Time limit of all queries. Shorter than the time limit of the connection to the host."""

CHANGE_SECONDS = 120
"""How long a run waits while another deploy changes the host; also in prelude.sh."""

PATHS, PACKAGES, UNITS, CONTAINERS = "paths", "packages", "units", "containers"
"""Queries about every bundle, as in `Observation.unanswered`."""
_FACT = "fact "


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
        return healthy(self.state, self.status)


@dataclass(frozen=True)
class Observation:
    """The observed state of a host; what is absent has no entry."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    owned: frozenset[str] = frozenset()
    """Every file in owned directories."""
    packages: frozenset[str] = frozenset()
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    applied: Mapping[str, str] = field(default_factory=dict)
    """`<component>/<record>` -> what was last applied."""
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`<component>/<fact or state check>` -> lines of output."""
    unanswered: frozenset[str] = frozenset()
    """Queries without an answer: keys of `facts`, or PATHS and the like. What they query is
    unknown, not absent."""
    changed_by: str = ""
    """Who is changing the host, and how; nothing else is known then."""

    def fact(self, component: str, name: str) -> str:
        """Output of a fact or a state check; empty when it was not queried."""
        return "\n".join(self.facts.get(f"{component}/{name}", ())).strip()


@dataclass(frozen=True)
class Desired:
    """The bundles to observe. The repr is short since pyinfra prints it with -v."""

    bundles: tuple[Bundle, ...]

    def __repr__(self) -> str:
        return " ".join(bundle.component for bundle in self.bundles)

    @property
    def script(self) -> str:
        """POSIX shell that prints the names of its queries, then one answer after the other. All
        queries run at the same time: most of them wait for a daemon. A query has no answer when it
        takes too long, or when it fails and an empty answer would mean `absent`."""
        queries = {**dict(_known(self.bundles)), **dict(_facts(self.bundles))}
        return "\n".join(
            [
                f"printf '%s\\n' '##asked' {shlex.join([*queries, PACKAGES, UNITS])}",
                # One time limit for all: they start at the same time. It kills what they have
                # started as well.
                f"timeout {ANSWER_SECONDS} sh /dev/fd/9 9<<'END_OF_QUERIES' | {UTF_8_ONLY}",
                "export LC_ALL=C",
                _DOCKER,
                _PRINT_ANSWER,
                *(_query(name, command) for name, command in queries.items()),
                "wait",
                "END_OF_QUERIES",
                "exit 0",
            ]
        )


def _query(name: str, command: str) -> str:
    # A failed list prints nothing. The meaning of a failed fact is known to the component.
    then = "&&" if name == CONTAINERS else ";"
    return (
        f'( answer=$(echo {shlex.quote(f"##{name}")}; {command}) {then} print_answer "$answer" ) &'
    )


def _facts(bundles: Iterable[Bundle]) -> Iterator[tuple[str, str]]:
    for bundle in bundles:
        checks = {item.name: item.check for item in bundle.conditions}
        checks |= {unit.name: unit.is_effective for unit in bundle.units if unit.is_effective}
        for name, command in {**bundle.facts, **checks}.items():
            yield f"{_FACT}{bundle.component}/{name}", f"( {command}\n) 2>&1"


def _known(bundles: Sequence[Bundle]) -> Iterator[tuple[str, str]]:
    """Queries about every bundle: one for all that comes from files, which prints PACKAGES and
    UNITS only where they are known."""
    files = [item.path for bundle in bundles for item in bundle.files]
    files += [path for bundle in bundles for path in bundle.absent]
    directories = [item for bundle in bundles for item in bundle.directories]
    owned = [item.path for item in directories if item.owned]
    packages = [name for bundle in bundles for name in bundle.packages]
    units = [unit.name for bundle in bundles for unit in bundle.units]
    installed = _of("dpkg-query -W -f '${db:Status-Status} ${Package}\\n'", packages)
    lines = [
        _of("stat -c '%F|%a|%u|%g|%n' --", [*files, *(item.path for item in directories)]),
        f"echo '##hashes'; {_of('sha256sum --', files)}",
        f"echo '##owned'; {_of('find', owned, ' -mindepth 1 ! -type d')}",
        f"echo '##applied'; cd {STATE_DIRECTORY}/applied 2>/dev/null && grep -rH '' .",
        # dpkg-query(1): exit status 1 means that some are not installed.
        f"output=$({installed}); [ $? -ge 2 ] || printf '##{PACKAGES}\\n%s\\n' \"$output\"",
        f"output=$({_of(f'systemctl show -p {UNIT_PROPERTIES} --', units)}) && "
        f"printf '##{UNITS}\\n%s\\n' \"$output\"",
    ]
    yield PATHS, "\n".join(lines)
    if any(bundle.project for bundle in bundles):
        label = "com.docker.compose"
        columns = [f'{{{{.Label "{label}.{name}"}}}}' for name in _LABELS]
        columns += ["{{.State}}", "{{.Status}}"]
        # Containers of `docker compose run` are someone's console, not a service.
        listed = _of(
            f"docker ps -a --filter label={label}.project "
            f"--filter label={label}.oneoff=False --format",
            ["|".join(columns)],
        )
        yield CONTAINERS, f"case $docker in active) {listed} ;; none) ;; *) false ;; esac"


def _of(command: str, arguments: Iterable[str], tail: str = "") -> str:
    quoted = " ".join(shlex.quote(argument) for argument in arguments)
    return f"{command} {quoted}{tail} 2>/dev/null" if quoted else ":"


# One whole answer after the other. The lock is the script itself, which no other program can hold.
# Each caller opens it for itself: a lock belongs to an open file description (flock(2)).
_PRINT_ANSWER = "print_answer() { exec 8</dev/fd/9; flock 8; printf '%s\\n' \"$1\"; }"

# A query to a stopped Docker would start it, by its socket. systemctl(1), "Exit status": 3 is
# `not active`, 4 `no such unit`; after any other the state is unknown.
_DOCKER = """docker=none
if command -v docker >/dev/null; then
    systemctl is-active --quiet docker.service
    case $? in 0) docker=active ;; 3 | 4) ;; *) docker=unknown ;; esac
fi
[ $docker = active ] || docker() { return 1; }"""

_LABELS = ("project", "service", "config-hash")


def parse(output: Sequence[str]) -> Observation:
    """Read the output of `Desired.script`."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in output:
        if line.startswith("##"):
            current = sections.setdefault(line[2:], [])
        else:
            current.append(line)
    return Observation(
        paths=dict(_paths(sections.get(PATHS, []), sections.get("hashes", []))),
        owned=frozenset(sections.get("owned", [])),
        packages=frozenset(
            line.removeprefix("installed ")
            for line in sections.get(PACKAGES, [])
            if line.startswith("installed ")
        ),
        units=dict(units(sections.get(UNITS, []))),
        containers=tuple(Container(*line.split("|")) for line in sections.get(CONTAINERS, [])),
        applied=dict(_applied(sections.get("applied", []))),
        facts={
            name.removeprefix(_FACT): tuple(lines)
            for name, lines in sections.items()
            if name.startswith(_FACT)
        },
        unanswered=frozenset(
            name.removeprefix(_FACT) for name in sections.get("asked", []) if name not in sections
        ),
        changed_by=" ".join(sections.get("changing", [])),
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
    """The observed state of a host, as far as some bundles are concerned."""

    @override
    def command(self, desired: Desired) -> str:
        return desired.script

    @staticmethod
    @override
    def default() -> Observation:
        return Observation()

    @override
    def process(self, output: Sequence[str]) -> Observation:
        return parse(output)


# flock(1), "--conflict-exit-code": after any other failure the queries run.
_AT_REST = """lock={directory}/lock
[ ! -e $lock ] || flock --shared --timeout {seconds} --conflict-exit-code 75 $lock true
[ $? != 75 ] || {{ echo '##changing'; cat $lock; exit 0; }}"""


class SettledState(HostState):
    """The same, once no step of another deploy runs. A deploy whose connection was cut still
    finishes its step, and rolls back if that fails: what is observed before that is out of date."""

    @override
    def command(self, desired: Desired) -> str:
        wait = _AT_REST.format(directory=STATE_DIRECTORY, seconds=CHANGE_SECONDS)
        return f"{wait}\n{desired.script}"
