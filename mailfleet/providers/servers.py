"""Servers of cloud providers as a pyinfra inventory.

A server says in its label (Hetzner) or tag (Lightsail) `mailfleet` which roles it has, joined by
`.` or, where the provider allows them, spaces: `postal.database.caddy`. Each role is a group.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra.api.exceptions import InventoryError

ROLES_LABEL = "mailfleet"
FQDN_LABEL = "mailfleet-fqdn"


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
    """Login user of the provider's image, if known."""


def _fqdn(server: Server) -> str | None:
    return server.labels.get(FQDN_LABEL) or (server.name if "." in server.name else None)
