"""The lab's private network: which addresses it may take on this machine."""

import os
import socket
import struct
from ipaddress import IPv4Network
from pathlib import Path

from docker import DockerClient

from lab.errors import LabError

CANDIDATES = tuple(IPv4Network(f"10.213.{third}.0/24") for third in range(16))
VARIABLE = "LAB_SUBNET"


def choose_subnet(client: DockerClient) -> IPv4Network:
    """LAB_SUBNET, else the first candidate that nothing on this machine uses."""
    taken = docker_subnets(client) | routed_subnets(Path("/proc/net/route"))
    asked = os.environ.get(VARIABLE)
    if asked:
        subnet = parse_subnet(asked)
        if clash := overlap(subnet, taken):
            raise LabError(f"{VARIABLE}={asked} overlaps {clash}, in use here: choose another")
        return subnet
    for candidate in CANDIDATES:
        if not overlap(candidate, taken):
            return candidate
    raise LabError(f"10.213.0.0/20 is in use on this machine: set {VARIABLE} to a free /24")


def parse_subnet(text: str) -> IPv4Network:
    try:
        subnet = IPv4Network(text)
    except ValueError as error:
        raise LabError(f"{VARIABLE}={text} is not a network: {error}") from None
    if subnet.prefixlen != 24 or not subnet.is_private:
        raise LabError(f"{VARIABLE}={text} must be a private /24, such as 10.213.0.0/24")
    return subnet


def overlap(subnet: IPv4Network, taken: set[IPv4Network]) -> IPv4Network | None:
    return next((other for other in sorted(taken) if subnet.overlaps(other)), None)


def docker_subnets(client: DockerClient) -> set[IPv4Network]:
    found = set()
    for network in client.networks.list():
        for config in (network.attrs or {}).get("IPAM", {}).get("Config") or []:
            if "." in config.get("Subnet", ""):
                found.add(IPv4Network(config["Subnet"], strict=False))
    return found


def routed_subnets(table: Path) -> set[IPv4Network]:
    """Networks in the kernel's routing table, without the default route."""
    if not table.exists():
        return set()
    found = set()
    for line in table.read_text().splitlines()[1:]:
        destination, mask = (_address(line.split()[column]) for column in (1, 7))
        if mask != "0.0.0.0":
            found.add(IPv4Network(f"{destination}/{mask}", strict=False))
    return found


def _address(hexadecimal: str) -> str:
    # The table shows addresses in the byte order of the machine.
    return socket.inet_ntoa(struct.pack("=I", int(hexadecimal, 16)))
