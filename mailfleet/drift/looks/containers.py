"""Containers: strangers, restarts, and images that are not what their tag now names."""

from collections.abc import Iterator, Mapping

from mailfleet.converge.bundle import Bundle
from mailfleet.drift import judges
from mailfleet.drift.look import DOCKER, Look
from mailfleet.settings.fleet import Host

NAME = "docker"

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


def looks(host: Host, bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    projects = {
        bundle.project.name: list(bundle.project.services)
        for bundle in bundles.values()
        if bundle.project
    }
    wanted = {"projects": projects, "others": host.docker.others}
    yield Look(NAME, "containers", (QUESTION,), judges.containers, wanted, needs=DOCKER)
