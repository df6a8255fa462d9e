"""Rules about registries."""

from collections.abc import Iterator
from pathlib import Path

from mailfleet.components.docker.settings import DockerSettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet


def _registries(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.hosts.values():
        for registry in host[DockerSettings].registries:
            if registry.ca_file and not Path(registry.ca_file).is_file():
                yield problem_at(host, "docker_registries", f"{registry.ca_file}: no such file")
            if bool(registry.username) != bool(registry.password):
                yield problem_at(
                    host, "docker_registries", f"{registry.host}: give username and password, both"
                )


RULES: tuple[Rule, ...] = (_registries,)
