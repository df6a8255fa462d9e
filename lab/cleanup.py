"""Take the lab down: everything that carries its label, whatever state it was left in."""

import shutil
from contextlib import suppress
from http import HTTPStatus

import docker.errors
from docker import DockerClient
from docker.models.containers import Container

from lab.engine import connect
from lab.errors import LabError
from lab.lock import lab_lock
from lab.names import CACHE_LABEL, STATE, label_filter
from lab.progress import Say


def down(keep_images: bool = False, say: Say = print) -> None:
    """Remove containers, volumes, networks, images and .lab, without asking .lab what there is.

    With `keep_images` the images stay, and the registry's copy of them.
    """
    with lab_lock(say):
        client = connect()
        containers = _remove_containers(client)
        networks = _remove_networks(client)
        volumes = _remove_volumes(client, keep_images)
        images = 0 if keep_images else _remove_images(client)
        shutil.rmtree(STATE, ignore_errors=True)
        say(
            f"removed {containers} containers, {networks} networks, {volumes} volumes, "
            f"{images} images" + (" (kept the images)" if keep_images else "")
        )


def _remove_containers(client: DockerClient) -> int:
    containers = client.containers.list(all=True, filters=label_filter(), ignore_removed=True)
    for container in containers:
        with suppress(docker.errors.NotFound):
            _remove_container(container)
    return len(containers)


def _remove_container(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        # The engine is at it already, as after a build that was killed.
        if error.status_code != HTTPStatus.CONFLICT:
            raise LabError(f"container {container.name} stays: {error.explanation}") from None
        container.wait(condition="removed", timeout=60)


def _remove_networks(client: DockerClient) -> int:
    networks = client.networks.list(filters=label_filter())
    for network in networks:
        try:
            network.remove()
        except docker.errors.NotFound:
            continue
        except docker.errors.APIError as error:
            raise LabError(f"network {network.name} stays: {error.explanation}") from None
    return len(networks)


def _remove_volumes(client: DockerClient, keep_cache: bool) -> int:
    removed = 0
    for volume in client.volumes.list(filters=label_filter()):
        if keep_cache and CACHE_LABEL in (volume.attrs.get("Labels") or {}):
            continue
        try:
            volume.remove(force=True)
        except docker.errors.NotFound:
            continue
        except docker.errors.APIError as error:
            raise LabError(f"volume {volume.name} stays: {error.explanation}") from None
        removed += 1
    return removed


def _remove_images(client: DockerClient) -> int:
    """Children before parents, which only the engine knows: again until none is left to remove."""
    removed = 0
    while images := client.images.list(all=True, filters=label_filter()):
        progress = False
        for image in images:
            try:
                client.images.remove(image.id or "", force=True)
                progress = True
                removed += 1
            except docker.errors.ImageNotFound:
                progress = True
            except docker.errors.APIError:
                continue
        if not progress:
            raise LabError(f"{len(images)} images stay: containers outside the lab use them")
    return removed
