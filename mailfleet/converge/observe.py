"""What is on a host: everything a run's bundles ask about, in one round trip."""

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
"""After this a question has no answer. Shorter than whoever asks waits for the host."""

CHANGE_SECONDS = 120
"""So long a deploy waits for another one to leave the host alone, as its steps do (prelude.sh)."""

PATHS, PACKAGES, UNITS, CONTAINERS = "paths", "packages", "units", "containers"
"""Questions about every bundle, as in `Observation.unanswered`."""
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
    unanswered: frozenset[str] = frozenset()
    """Questions without an answer, as `facts` has them, or one of PATHS and the like. What they
    ask about is unknown, not absent."""
    changed_by: str = ""
    """Who was changing the host all the time, and how; nothing else is known then."""

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
        """POSIX shell that prints the names of its questions, then one answer after the other. They
        are asked at the same time: most of them wait for a daemon. What has no answer in the end
        took too long, or failed where failing must not read as `there is none`."""
        questions = {**dict(_known(self.bundles)), **dict(_facts(self.bundles))}
        return "\n".join(
            [
                f"printf '%s\\n' '##asked' {shlex.join([*questions, PACKAGES, UNITS])}",
                # One limit for all, and one program more: they begin at the same time. It ends
                # whatever they have started as well.
                f"timeout {ANSWER_SECONDS} sh /dev/fd/9 9<<'END_OF_QUESTIONS' | {UTF_8_ONLY}",
                "export LC_ALL=C",
                _DOCKER,
                _SAY,
                *(_question(name, command) for name, command in questions.items()),
                "wait",
                "END_OF_QUESTIONS",
                "exit 0",
            ]
        )


def _question(name: str, command: str) -> str:
    # Of a list that failed nothing is said. Whoever asks for a fact knows what its failure means.
    then = "&&" if name == CONTAINERS else ";"
    return f'( answer=$(echo {shlex.quote(f"##{name}")}; {command}) {then} say "$answer" ) &'


def _facts(bundles: Iterable[Bundle]) -> Iterator[tuple[str, str]]:
    for bundle in bundles:
        looks = {item.name: item.look for item in bundle.conditions}
        looks |= {unit.name: unit.is_effective for unit in bundle.units if unit.is_effective}
        for name, command in {**bundle.facts, **looks}.items():
            yield f"{_FACT}{bundle.component}/{name}", f"( {command}\n) 2>&1"


def _known(bundles: Sequence[Bundle]) -> Iterator[tuple[str, str]]:
    """What is asked about every bundle: what comes from files in one question, which names
    PACKAGES and UNITS only where they could be told."""
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
        # dpkg-query(1): 1 means that some are not there.
        f"said=$({installed}); [ $? -ge 2 ] || printf '##{PACKAGES}\\n%s\\n' \"$said\"",
        f"said=$({_of(f'systemctl show -p {UNIT_PROPERTIES} --', units)}) && "
        f"printf '##{UNITS}\\n%s\\n' \"$said\"",
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


# One whole answer after the other. The lock is the script itself, which nobody else on the host can
# hold. Each caller opens it anew: a lock belongs to who opened it.
_SAY = "say() { exec 8</dev/fd/9; flock 8; printf '%s\\n' \"$1\"; }"

# A question to a stopped Docker would start it, by its socket. systemctl(1), "Exit status": 3 is
# `not active`, 4 `no such unit`; else systemd did not tell.
_DOCKER = """docker=none
if command -v docker >/dev/null; then
    systemctl is-active --quiet docker.service
    case $? in 0) docker=active ;; 3 | 4) ;; *) docker=unknown ;; esac
fi
[ $docker = active ] || docker() { return 1; }"""

_LABELS = ("project", "service", "config-hash")


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


# flock(1), "--conflict-exit-code": any other failure is for the questions to tell.
_AT_REST = """lock={directory}/lock
[ ! -e $lock ] || flock --shared --timeout {seconds} --conflict-exit-code 75 $lock true
[ $? != 75 ] || {{ echo '##changing'; cat $lock; exit 0; }}"""


class SettledState(HostState):
    """The same, when no step of a deploy is under way: one whose connection was cut still finishes
    its step, and puts the former files back if that fails. What is seen before is not what the next
    deploy would change."""

    @override
    def command(self, wanted: Wanted) -> str:
        wait = _AT_REST.format(directory=STATE_DIRECTORY, seconds=CHANGE_SECONDS)
        return f"{wait}\n{wanted.script}"
