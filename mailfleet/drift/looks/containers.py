"""Containers: strangers, restarts, and images that are not what their tag now names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailfleet.converge.bundle import Bundle
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, docker_runs

NAME = "docker"

_DAY = 86400
_FIELDS = "|".join(
    [
        "container",
        "{{.Name}}",
        *(
            f'{{{{index .Config.Labels "com.docker.compose.{name}"}}}}'
            for name in ("project", "service", "oneoff")
        ),
        "{{.RestartCount}}",
        "{{.State.StartedAt}}",
        "{{.State.Running}}",
        "{{.Image}}",
        "{{.Config.Image}}",
    ]
)
QUESTION = f"""
echo "now|$(date +%s)"
docker images --no-trunc --format 'image|{{{{.Repository}}}}:{{{{.Tag}}}}|{{{{.ID}}}}'
docker ps -aq --no-trunc | xargs -r docker inspect --format '{_FIELDS}'
"""


@dataclass(frozen=True)
class Container:
    """A row of QUESTION."""

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

    @classmethod
    def parse(cls, fields: Sequence[str]) -> "Container":
        """What follows `container|`."""
        name, project, service, oneoff, restarts, started, running, image, tag = fields
        at = datetime.fromisoformat(started[:19] + "+00:00").timestamp()
        return cls(
            name.lstrip("/"),
            project,
            service,
            # `docker compose run` is someone's console.
            oneoff == "True",
            int(restarts),
            at,
            running == "true",
            image,
            tag,
        )


def looks(bundles: Mapping[str, Bundle], question: str) -> Iterator[Look]:
    """`question` is QUESTION, with others or alone."""
    projects = {
        bundle.project.name: bundle.project.services
        for bundle in bundles.values()
        if bundle.project
    }
    yield Look(
        NAME,
        "containers",
        question,
        lambda lines: judge(lines, projects),
        applies=docker_runs,
    )


def judge(lines: Sequence[str], projects: Mapping[str, Sequence[str]]) -> Iterator[Difference]:
    now = 0
    tags: dict[str, str] = {}
    containers = []
    for line in lines:
        kind, *fields = line.split("|")
        if kind == "now":
            now = int(fields[0])
        elif kind == "image":
            tags[fields[0]] = fields[1]
        elif kind == "container":
            containers.append(Container.parse(fields))
    for item in containers:
        if item.console:
            continue
        if item.service not in projects.get(item.project, ()):
            yield _orphan(item)
            continue
        yield from _own(item, now, tags)


def _orphan(item: Container) -> Difference:
    remedy = f"`docker rm -f {item.name}`, once nobody needs it"
    return Difference(Kind.ORPHAN, item.name, "absent", f"a container of {item.tag}", remedy)


def _own(item: Container, now: int, tags: Mapping[str, str]) -> Iterator[Difference]:
    name = f"{item.project}/{item.service}"
    if item.restarts and now - item.started < _DAY:
        remedy = f"read `docker logs {item.name}`: it ended by itself and was started again"
        seen = f"{item.restarts}, the last one within a day"
        yield Difference(Kind.RESTARTS, name, "0", seen, remedy)
    current = tags.get(item.tag, item.image)
    if current != item.image:
        remedy = f"`docker compose --project-directory /opt/{item.project} up --detach`"
        yield Difference(
            Kind.IMAGE, name, f"{item.tag}, {_short(current)}", _short(item.image), remedy
        )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
