"""A pyinfra inventory from the servers of cloud providers."""

import difflib
import re
from collections.abc import Iterable

from mailfleet.components.registry import SCHEMA
from mailfleet.providers.servers import ROLES_LABEL, ProviderError, Server, _fqdn

Groups = dict[str, list[tuple[str, dict[str, str]]]]


def inventory_groups(servers: Iterable[Server]) -> Groups:
    """The groups of a pyinfra inventory, in the order of components: role -> hosts with their data.

    Raises ProviderError for a server without a role, an unknown role, a server without a public
    address and two servers of one name.
    """
    known = list(SCHEMA.roles)
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
