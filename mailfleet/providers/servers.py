"""What the cloud providers tell of servers, and how it becomes a pyinfra inventory.

A server says in its label (Hetzner) or tag (Lightsail) `mailfleet` which roles it has, joined by
`.` or, where the provider allows them, spaces: `postal.database.caddy`. Each role is a group.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyinfra.api.exceptions import InventoryError

from mailfleet.settings.fleet import ROLES

ROLES_LABEL = "mailfleet"
FQDN_LABEL = "mailfleet-fqdn"

Groups = dict[str, list[tuple[str, dict[str, str]]]]


class ProviderError(InventoryError):
    """The provider's answer makes no inventory; one line with the remedy. Being pyinfra's own kind
    of error, it is shown without a traceback when it is raised in an inventory file."""


@dataclass(frozen=True)
class Server:
    """One server as its provider describes it."""

    name: str
    location: str
    public_ipv4: str | None = None
    public_ipv6: str | None = None
    private_ipv4: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh_user: str | None = None
    """The user that the provider's image lets in, where it tells."""


def inventory_groups(servers: Iterable[Server], known: Iterable[str] = tuple(ROLES)) -> Groups:
    """The groups of a pyinfra inventory, in the order of `known`: role -> hosts with their data.

    Raises ProviderError for a server without a role, an unknown role, a server without a public
    address and two servers of one name.
    """
    known = list(known)
    groups: Groups = {role: [] for role in known}
    seen: dict[str, Server] = {}
    for server in servers:
        other = seen.setdefault(server.name, server)
        if other is not server:
            raise ProviderError(
                f"two servers are called {server.name} ({other.location} and {server.location}): "
                "rename one or remove its tag"
            )
        for role in _roles(server, known):
            groups[role].append((server.name, _host_data(server)))
    return {role: hosts for role, hosts in groups.items() if hosts}


def _roles(server: Server, known: list[str]) -> list[str]:
    roles = list(dict.fromkeys(re.findall(r"[^\s.]+", server.labels.get(ROLES_LABEL, ""))))
    example = f"such as {ROLES_LABEL}=postal.database.caddy; roles are {', '.join(known)}"
    if not roles:
        raise ProviderError(f"server {server.name} has no role: give it a label {example}")
    for role in roles:
        if role not in known:
            near = difflib.get_close_matches(role, known, n=1)
            guess = f", did you mean {near[0]}?" if near else ";"
            raise ProviderError(f"server {server.name} has an unknown role {role}{guess} {example}")
    return roles


def _host_data(server: Server) -> dict[str, str]:
    address = server.public_ipv4 or server.public_ipv6
    if not address:
        raise ProviderError(
            f"server {server.name} has no public address: give it one, or list it in an "
            "inventory file with an ssh_hostname"
        )
    data = {
        "ssh_hostname": address,
        "ssh_user": server.ssh_user,
        "host_fqdn": _fqdn(server),
        "host_public_ipv4": server.public_ipv4,
        "host_public_ipv6": server.public_ipv6,
        "host_private_ipv4": server.private_ipv4,
    }
    return {key: value for key, value in data.items() if value}


def _fqdn(server: Server) -> str | None:
    return server.labels.get(FQDN_LABEL) or (server.name if "." in server.name else None)
