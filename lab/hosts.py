"""The containers that are the lab's hosts: kept while nothing they are made of changes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import docker.errors
from docker import DockerClient
from docker.models.containers import Container

from lab.errors import LabError
from lab.files import archive, host_files
from lab.machine import environment, host_config, this_machine
from lab.names import (
    CACHE_LABEL,
    HOST_LABEL,
    SPEC_LABEL,
    label_filter,
    labels,
    object_name,
)
from lab.ports import PortChooser
from lab.progress import Progress
from lab.topology import Host, Topology


def existing_hosts(client: DockerClient) -> dict[str, Container]:
    """Containers of this lab by host name, running or not."""
    found = client.containers.list(all=True, filters=label_filter())
    return {
        container.labels[HOST_LABEL]: container
        for container in found
        if HOST_LABEL in container.labels
    }


class Hosts:
    def __init__(
        self, client: DockerClient, fleet: Topology, state: Path, progress: Progress
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._state = state
        self._progress = progress
        self._machine = this_machine()
        self._existing = existing_hosts(client)
        kept = {host.name for host in fleet.hosts}
        self._ports = PortChooser(
            port
            for name, container in self._existing.items()
            if name in kept
            for port in published_ports(container).values()
        )

    def ensure(self, host: Host, image: str) -> bool:
        """Whether the host was made or started; one that runs as it should is left alone."""
        container = self._existing.get(host.name)
        files = host_files(self._fleet, host, self._state)
        config = self._config(host)
        spec = _spec(image, config, [(file.path, file.content, file.mode) for file in files])
        preferred: dict[int, int] = {}
        if container is not None:
            preferred = published_ports(container)
            if container.labels.get(SPEC_LABEL) == spec:
                return self._start(host, container)
            self._progress.note(f"{host.name}: what it is made from has changed, making it anew")
            self._remove(container, host)
        self._make(host, image, config, spec, archive(files), preferred)
        return True

    def _start(self, host: Host, container: Container) -> bool:
        if container.status == "running":
            return False
        try:
            container.start()
        except docker.errors.APIError as error:
            raise LabError(f"{host.name} does not start: {error.explanation}") from None
        return True

    def _remove(self, container: Container, host: Host) -> None:
        container.remove(force=True, v=True)
        for path, cached in host.volumes.items():
            if not cached:
                try:
                    self._client.volumes.get(volume_name(host, path)).remove()
                except docker.errors.NotFound:
                    continue

    def _config(self, host: Host) -> dict[str, Any]:
        """All but the ports on this machine, which may differ from one making to the next."""
        config = host_config(self._machine)
        config["Binds"] = [
            *config["Binds"],
            *(f"{volume_name(host, path)}:{path}" for path in host.volumes),
        ]
        return {
            "Hostname": host.name,
            "Env": environment(self._machine),
            "ExposedPorts": {f"{port}/tcp": {} for port in host.ports},
            "HostConfig": config,
            "NetworkingConfig": {
                "EndpointsConfig": {
                    object_name(): {"IPAMConfig": {"IPv4Address": str(host.address)}}
                }
            },
        }

    def _make(
        self,
        host: Host,
        image: str,
        config: dict[str, Any],
        spec: str,
        files: bytes,
        preferred: dict[int, int],
    ) -> None:
        for path, cached in host.volumes.items():
            cache = {CACHE_LABEL: "images"} if cached else {}
            self._client.volumes.create(volume_name(host, path), labels=labels(**cache))
        bindings = {
            f"{port}/tcp": [
                {
                    "HostIp": "127.0.0.1",
                    "HostPort": str(self._ports.choose(preferred.get(port))),
                }
            ]
            for port in host.ports
        }
        whole = {
            **config,
            "Image": image,
            "Labels": labels(**{HOST_LABEL: host.name, SPEC_LABEL: spec}),
            "HostConfig": {
                **config["HostConfig"],
                "NetworkMode": object_name(),
                "PortBindings": bindings,
            },
        }
        try:
            # Untyped upstream; the typed way in lacks half of these settings.
            create: Any = self._client.api.create_container_from_config
            made = create(whole, object_name(host.name))
            self._client.api.put_archive(made["Id"], "/", files)
            self._client.api.start(made["Id"])
        except docker.errors.APIError as error:
            raise LabError(f"{host.name} does not start: {error.explanation}") from None


def published_ports(container: Container) -> dict[int, int]:
    """Port of the host -> port on 127.0.0.1."""
    bindings = (container.attrs or {})["HostConfig"].get("PortBindings") or {}
    return {
        int(inside.split("/")[0]): int(outside[0]["HostPort"])
        for inside, outside in bindings.items()
    }


def volume_name(host: Host, path: str) -> str:
    return object_name(host.name, Path(path).name)


def _spec(image: str, config: dict[str, Any], files: list[tuple[str, bytes, int]]) -> str:
    digest = hashlib.sha256(image.encode())
    digest.update(json.dumps(config, sort_keys=True).encode())
    for path, content, mode in sorted(files):
        digest.update(f"\0{path}\0{mode}\0".encode() + content)
    return digest.hexdigest()[:16]
