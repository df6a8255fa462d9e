"""Servers of a Hetzner Cloud project. API: https://docs.hetzner.cloud/reference/cloud#servers"""

import ipaddress
import os
import re
from typing import TYPE_CHECKING, NoReturn

from mailfleet.providers.servers import ROLES_LABEL, ProviderError, Server

if TYPE_CHECKING:
    from hcloud import APIException, Client
    from hcloud.servers import BoundServer

ENDPOINT = "https://api.hetzner.cloud/v1"
_TIMEOUT_SECONDS = (5, 30)  # To connect, to answer.


def servers(
    token: str, label_selector: str = ROLES_LABEL, network: str | None = None
) -> list[Server]:
    """The servers that a label selector matches, sorted by name.

    `token` needs read access to the project only. `network` names the private network whose
    addresses count; without it a server may be in one at most. `$HCLOUD_ENDPOINT` replaces the
    address of the API. Raises ProviderError when the token is not accepted, the API cannot be
    reached or nothing matches.
    """
    project = client(token)
    from hcloud import APIException
    from requests import RequestException

    try:
        network_id = _network_id(project, network) if network else None
        found = project.servers.get_all(label_selector=label_selector)
    except APIException as error:
        _explain(error)
    except RequestException as error:
        # Only its kind: the text of some of these errors holds request headers, so the token.
        raise ProviderError(
            f"cannot reach the Hetzner API at {_endpoint()} ({type(error).__name__}): "
            "check the connection, then try again"
        ) from None
    if not found:
        raise ProviderError(
            f'no Hetzner server matches the label selector "{label_selector}": label the servers, '
            "or check that HCLOUD_TOKEN is of the right project"
        )
    return sorted((_server(one, network_id) for one in found), key=lambda server: server.name)


def _endpoint() -> str:
    return os.environ.get("HCLOUD_ENDPOINT") or ENDPOINT


def client(token: str, name: str = "HCLOUD_TOKEN") -> "Client":
    """The project of a token, which `name` calls by name. Raises ProviderError."""
    if not re.fullmatch(r"[!-~]+", token):
        raise ProviderError(
            f"{name} is empty or no token: make one in the Hetzner console, project > Security > "
            "API tokens"
        )
    try:
        from hcloud import Client
    except ImportError:
        raise ProviderError("hcloud is missing: `pip install 'mailfleet[hetzner]'`") from None
    return Client(
        token,
        api_endpoint=_endpoint(),
        application_name="mailfleet",
        timeout=_TIMEOUT_SECONDS,
    )


def _explain(error: "APIException") -> NoReturn:
    if error.code == "unauthorized":
        raise ProviderError(
            "Hetzner does not accept HCLOUD_TOKEN: make a new one with read access in the console, "
            "project > Security > API tokens"
        ) from None
    raise ProviderError(f"the Hetzner API answers: {error.message} ({error.code})") from None


def _network_id(project: "Client", name: str) -> int | None:
    network = project.networks.get_by_name(name)
    if network is None:
        raise ProviderError(f"this Hetzner project has no network {name}: check HCLOUD_NETWORK")
    return network.id


def _server(found: "BoundServer", network_id: int | None) -> Server:
    public = found.public_net
    return Server(
        # The API sends both for every server; hcloud's types also cover half-loaded ones.
        name=found.name or "",
        location=(found.location and found.location.name) or "",
        public_ipv4=public.ipv4.ip if public and public.ipv4 else None,
        public_ipv6=_first_host(public.ipv6.ip) if public and public.ipv6 else None,
        private_ipv4=_private_ipv4(found, network_id),
        labels=dict(found.labels or {}),
    )


def _first_host(network: str) -> str:
    # Hetzner routes a /64 to each server; its images configure the address ::1 in it.
    return str(ipaddress.IPv6Network(network)[1])


def _private_ipv4(found: "BoundServer", network_id: int | None) -> str | None:
    addresses = [
        private.ip
        for private in found.private_net or []
        if network_id is None or private.network.id == network_id
    ]
    if len(addresses) > 1:
        raise ProviderError(
            f"server {found.name} is in {len(addresses)} private networks: name the one that the "
            "fleet shares in HCLOUD_NETWORK"
        )
    return addresses[0] if addresses else None
