"""The private network that joins the hosts."""

from ipaddress import IPv4Network

import docker.errors
from docker import DockerClient
from docker.types import IPAMConfig, IPAMPool

from lab.errors import LabError
from lab.names import labels, object_name
from lab.subnet import choose_subnet
from lab.topology import topology


def existing_subnet(client: DockerClient) -> IPv4Network | None:
    try:
        network = client.networks.get(object_name())
    except docker.errors.NotFound:
        return None
    return IPv4Network((network.attrs or {})["IPAM"]["Config"][0]["Subnet"])


def ensure_network(client: DockerClient) -> IPv4Network:
    """The lab's network, made if missing; its subnet holds as long as the network does."""
    if found := existing_subnet(client):
        return found
    subnet = choose_subnet(client)
    # Addresses that a host takes itself, which the engine must give to nobody.
    reserved = {
        f"{host.name}-{number}": str(address)
        for host in topology(subnet).hosts
        for number, address in enumerate(host.more_addresses)
    }
    pool = IPAMPool(subnet=str(subnet), gateway=str(subnet[1]), aux_addresses=reserved)
    try:
        client.networks.create(
            object_name(),
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            labels=labels(),
        )
    except docker.errors.APIError as error:
        raise LabError(f"no network {subnet}: {error.explanation}; set LAB_SUBNET") from None
    return subnet
