"""What the page tells of a host besides health and drift: asked in one round trip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailfleet.checks.queue import Summary, summary
from mailfleet.checks.run_parallel import IF_DOCKER_RUNS
from mailfleet.checks.sections import Section
from mailfleet.components.mailserver import queue as postfix
from mailfleet.components.postal import queue as postal
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings

_STEPS = 8

_LABEL = '{{.Label "com.docker.compose.%s"}}'

_MOUNTS = (
    "{{range .Mounts}}{{if .RW}}"
    '{{index $.Config.Labels "com.docker.compose.project"}}|'
    '{{index $.Config.Labels "com.docker.compose.service"}}|'
    "{{.Type}}|{{or .Name .Source}}|{{.Destination}}{{println}}"
    "{{end}}{{end}}"
)

_QUESTIONS = {
    "system": '. /etc/os-release; echo "system|$PRETTY_NAME"; echo "kernel|$(uname -r)"; '
    'echo "up since|$(uptime -s)"; '
    f"{IF_DOCKER_RUNS}echo \"Docker|$(docker version --format '{{{{.Server.Version}}}}')\"",
    "containers": f"{IF_DOCKER_RUNS}docker ps -a --filter label=com.docker.compose.oneoff=False "
    f"--format '{_LABEL % 'project'}|{_LABEL % 'service'}|{{{{.Image}}}}|{{{{.Status}}}}'",
    "data": f"{IF_DOCKER_RUNS}docker ps -aq --filter label=com.docker.compose.oneoff=False | "
    f"xargs -r docker inspect --format '{_MOUNTS}'",
    "steps": f"tail -n {_STEPS} /var/log/mailfleet.log",
}


@dataclass(frozen=True)
class Container:
    """A service of a compose project, as it runs."""

    project: str
    service: str
    image: str
    status: str

    @property
    def version(self) -> str:
        """The image's tag, or all of its name where it has none."""
        return self.image.rpartition(":")[2]


@dataclass(frozen=True)
class Data:
    """What a service writes and what outlives its container: in no description."""

    project: str
    service: str
    kind: str
    """`volume` or `bind`."""
    name: str
    """Of the volume, or the path on the host."""
    path: str
    """In the container."""


@dataclass(frozen=True)
class Step:
    """A line of the host's own log of changes."""

    at: str
    who: str
    what: str


@dataclass(frozen=True)
class Queue:
    """A queue in one line; `error` says why it could not be asked."""

    program: str
    summary: Summary | None
    error: str = ""


@dataclass(frozen=True)
class HostStatus:
    """One host; `error` says why it could not be asked."""

    name: str
    fqdn: str
    addresses: tuple[str, ...]
    roles: tuple[str, ...]
    system: Mapping[str, str]
    containers: tuple[Container, ...] = ()
    data: tuple[Data, ...] = ()
    steps: tuple[Step, ...] = ()
    """The last one first."""
    queues: tuple[Queue, ...] = ()
    error: str = ""


def questions(fleet: Fleet, host: Host) -> dict[str, str]:
    """Name -> shell that changes nothing."""
    found = dict(_QUESTIONS)
    if host.has("mailserver"):
        found["Postfix"] = postfix.LOOK
    if host.has("database") and postal_hosts(fleet):
        found["Postal"] = postal.look(fleet[PostalSettings])
    return found


def status_of(host: Host, sections: Mapping[str, Section], error: str = "") -> HostStatus:
    """A host with what it answered, which may be nothing."""
    addresses = (
        host[HostSettings].public_ipv4,
        host[HostSettings].public_ipv6,
        host[HostSettings].private_ipv4,
    )
    return HostStatus(
        host.name,
        host.fqdn,
        tuple(dict.fromkeys(str(address) for address in addresses if address)),
        tuple(sorted(host.roles)),
        dict(_columns(sections, "system", 2)),
        tuple(sorted((Container(*row) for row in _columns(sections, "containers", 4)), key=str)),
        tuple(sorted((Data(*row) for row in _columns(sections, "data", 5)), key=str)),
        tuple(_steps(sections)),
        tuple(_queues(host.name, sections)),
        error,
    )


def _columns(sections: Mapping[str, Section], name: str, count: int) -> Iterator[list[str]]:
    for line in sections[name].lines if name in sections else ():
        row = line.split("|")
        if len(row) == count:
            yield row


def _steps(sections: Mapping[str, Section]) -> Iterator[Step]:
    """Lines `TIME WHO: STEP of COMPONENT`, as converge/prelude.sh writes them."""
    if "steps" not in sections or sections["steps"].code:
        return
    for line in reversed(sections["steps"].lines):
        at, _, rest = line.partition(" ")
        who, _, what = rest.partition(": ")
        yield Step(at, who, what)


def _queues(host: str, sections: Mapping[str, Section]) -> Iterator[Queue]:
    for program, parse in (("Postfix", postfix.parse), ("Postal", postal.parse)):
        if program not in sections:
            continue
        section = sections[program]
        if section.code:
            yield Queue(program, None, _last(section.lines))
            continue
        try:
            yield Queue(program, summary(list(parse(host, section.text))))
        except (ValueError, LookupError, TypeError) as error:
            # What a program prints beside its answer is part of the section.
            why = f"{type(error).__name__}: {error}"
            yield Queue(program, None, f"an answer that nobody expected: {why}")


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else "no answer"
