"""Bring the lab up: images, network, hosts, published images, and what is written down of them."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests
from docker import DockerClient

from lab.builds import Builder
from lab.credentials import ensure_authority, ensure_ssh_key
from lab.engine import connect, ensure_engine
from lab.errors import LabError
from lab.files import host_key_file
from lab.hosts import Hosts, existing_hosts, published_ports
from lab.limits import check_inotify
from lab.lock import lab_lock
from lab.names import STATE
from lab.network import ensure_network
from lab.progress import Progress, Say
from lab.publish import Registry
from lab.ready import poll, wait_ready
from lab.recipes import Publication, group_by_recipe, publications
from lab.state import Lab, LabHost, read_lab, write_lab
from lab.topology import (
    ACME_MANAGEMENT_PORT,
    ACME_NAME,
    ACME_PORT,
    DOMAIN,
    REGISTRY_PORT,
    Host,
    Topology,
    extra_numbers,
    topology,
)

# Two at a time keep a two-core machine busy; more only wait for each other.
PARALLEL_BUILDS = 2
ACME_SECONDS = 30


def up(extra: int = 0, install_engine: bool = False, images: bool = True, say: Say = print) -> Lab:
    """Converge on a running lab; what is there and right is left alone.

    Extra hosts that are there stay, also when fewer are asked for. Without `images` the registry
    stays as it is: hosts that pull nothing yet need not wait for it.
    """
    with lab_lock(say):
        if install_engine:
            ensure_engine()
        client = connect()
        progress = Progress(say)
        builder = Builder(client, progress)
        _prepare_state()
        fleet = topology(
            ensure_network(client),
            extra=max(extra, _extra_present(client)),
            with_registry=not uses_upstream_images(),
        )
        check_inotify(len({host.name for host in fleet.hosts} - _running(client)))
        lab = _bring_hosts_up(client, fleet, builder, progress)
        if images:
            _publish(client, lab, builder, progress, publications())
        builder.clear_superseded()
        progress.note(f"the lab is up: {', '.join(lab.hosts)}")
        return lab


def publish(tests: bool = False, say: Say = print) -> None:
    """Build the images that hosts pull, and offer them in the running lab's registry."""
    lab = read_lab()
    with lab_lock(say):
        client = connect()
        progress = Progress(say)
        builder = Builder(client, progress)
        _publish(client, lab, builder, progress, publications(tests))
        builder.clear_superseded()


def uses_upstream_images() -> bool:
    return os.environ.get("LAB_IMAGES") == "upstream"


def _bring_hosts_up(
    client: DockerClient, fleet: Topology, builder: Builder, progress: Progress
) -> Lab:
    parent = builder.image("host", {"BASE": builder.base()}, {}, "latest")
    images = {"host": parent}
    pool = ThreadPoolExecutor(PARALLEL_BUILDS)
    try:
        building = {
            recipe: pool.submit(builder.image, recipe, {"HOST": parent}, {}, "latest")
            for recipe in sorted({host.image for host in fleet.hosts} - {"host"})
        }
        images |= {recipe: future.result() for recipe, future in building.items()}
    finally:
        pool.shutdown(cancel_futures=True)
    made = _ensure_hosts(client, fleet, images, progress)
    lab = _describe(client, fleet)
    _wait_all(client, lab, progress if made else None)
    _write_known_hosts(fleet, lab)
    _fetch_acme_root(lab)
    write_lab(lab)
    return lab


def _publish(
    client: DockerClient,
    lab: Lab,
    builder: Builder,
    progress: Progress,
    offered: list[Publication],
) -> None:
    """Each recipe's images are pushed while the next are built."""
    if not lab.registry:
        return
    port = lab.hosts["registry"].ports[str(REGISTRY_PORT)]
    registry = Registry(client, port, lab.ca_file, progress)
    registry.wait()
    base = builder.base()
    building = ThreadPoolExecutor(PARALLEL_BUILDS)
    # Threads of their own: packing layers and building images wait for different things.
    pushing = ThreadPoolExecutor(PARALLEL_BUILDS)
    try:
        built = [
            building.submit(builder.publications, group, base) for group in group_by_recipe(offered)
        ]
        for done in [pushing.submit(registry.publish, images) for images in built]:
            done.result()
    finally:
        building.shutdown(cancel_futures=True)
        pushing.shutdown(cancel_futures=True)


def fleet_has_registry(fleet: Topology) -> bool:
    return any(host.name == "registry" for host in fleet.hosts)


def _prepare_state() -> None:
    for directory in (STATE, STATE / "tls", STATE / "host-keys"):
        directory.mkdir(mode=0o700, exist_ok=True)
    ensure_authority(STATE)
    ensure_ssh_key(STATE / "id_ed25519", "mailfleet-lab")


def _running(client: DockerClient) -> set[str]:
    return {
        name for name, container in existing_hosts(client).items() if container.status == "running"
    }


def _extra_present(client: DockerClient) -> int:
    present = existing_hosts(client)
    numbers = [number for number in extra_numbers() if f"postal{number}" in present]
    return numbers[-1] - extra_numbers()[0] + 1 if numbers else 0


def _ensure_hosts(
    client: DockerClient, fleet: Topology, images: dict[str, str], progress: Progress
) -> list[str]:
    hosts = Hosts(client, fleet, STATE, progress)
    made = [host.name for host in fleet.hosts if hosts.ensure(host, images[host.image])]
    if made:
        progress.note(f"started {', '.join(made)}")
    return made


def _describe(client: DockerClient, fleet: Topology) -> Lab:
    containers = existing_hosts(client)

    def describe(host: Host) -> LabHost:
        ports = published_ports(containers[host.name])
        return LabHost(
            address=str(host.address),
            fqdn=host.fqdn,
            ssh_port=ports[22],
            ssh_user=host.ssh_user,
            ports={str(inside): outside for inside, outside in sorted(ports.items())},
        )

    return Lab(
        directory=STATE,
        hosts={host.name: describe(host) for host in fleet.hosts},
        registry=f"registry.{DOMAIN}:{REGISTRY_PORT}" if fleet_has_registry(fleet) else None,
        acme_directory=f"https://{ACME_NAME}:{ACME_PORT}/dir",
        resolver=str(fleet.resolver),
        authority=str(fleet.authority),
    )


def _wait_all(client: DockerClient, lab: Lab, progress: Progress | None) -> None:
    containers = existing_hosts(client)
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        waiting = {
            name: pool.submit(wait_ready, name, containers[name], host.ssh_port)
            for name, host in lab.hosts.items()
        }
    states = {name: future.result() for name, future in waiting.items()}
    if progress:
        degraded = [name for name, state in states.items() if state != "running"]
        progress.note(
            "all hosts answer" + (f"; degraded: {', '.join(degraded)}" if degraded else "")
        )


def _write_known_hosts(fleet: Topology, lab: Lab) -> None:
    lines = []
    for host in fleet.hosts:
        key = ensure_ssh_key(host_key_file(STATE, host), host.fqdn).rsplit(" ", 1)[0]
        port = lab.hosts[host.name].ssh_port
        lines.append(f"[127.0.0.1]:{port} {key}\n{host.fqdn},{host.address} {key}\n")
    lab.known_hosts_file.write_text("".join(lines))


def _fetch_acme_root(lab: Lab) -> None:
    """The root that signs until the ACME server starts anew."""
    port = lab.hosts["internet1"].ports[str(ACME_MANAGEMENT_PORT)]
    fetch = _root_fetcher(f"https://127.0.0.1:{port}/roots/0", str(lab.ca_file))
    root = poll(fetch, time.monotonic() + ACME_SECONDS)
    if root is None:
        raise LabError(
            "the ACME server does not answer: "
            "see `mailfleet lab ssh internet1 journalctl -u pebble`"
        )
    lab.acme_root_file.write_bytes(root)


def _root_fetcher(url: str, ca_file: str) -> Callable[[], bytes | None]:
    def fetch() -> bytes | None:
        try:
            answer = requests.get(url, verify=ca_file, timeout=5)
        except requests.RequestException:
            return None
        return answer.content if answer.status_code == 200 else None

    return fetch
