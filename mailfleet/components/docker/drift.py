"""Drift of Docker: unknown containers, restarts, moved image tags, effective options."""

import json
from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import NEEDS_DOCKER, DriftCheck
from mailfleet.components.docker.bundle import DAEMON, NAME
from mailfleet.components.docker.settings import DockerSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render_script

CONTAINERS = render_script("docker/drift/containers.sh")

# The source of `docker info`, which takes four times as long, since it starts each of its plugins.
# The socket would start Docker.
_ENGINE = (
    "systemctl is-active --quiet docker.service && "
    "curl --silent --fail --max-time 20 --unix-socket /run/docker.sock http://docker/info"
)


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of Docker, over the compose projects of all components."""
    projects = {
        bundle.project.name: list(bundle.project.services)
        for bundle in bundles.values()
        if bundle.project
    }
    desired = {"projects": projects, "others": host[DockerSettings].others}
    yield DriftCheck(
        NAME, "containers", (CONTAINERS,), evaluate.containers, desired, needs=NEEDS_DOCKER
    )
    daemon = json.loads(bundles[NAME].file(DAEMON).content)
    options = {key: value for key, value in daemon.items() if key in evaluate.DAEMON_OPTIONS}
    yield DriftCheck(
        NAME, "daemon options", (_ENGINE,), evaluate.daemon, options, needs=NEEDS_DOCKER
    )
