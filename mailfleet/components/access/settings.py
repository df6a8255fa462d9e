"""Settings of `access`: the ways into a host."""

from typing import Annotated, ClassVar

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings, Item
from mailfleet.fleet.types import Network, Port, Protocol


class Opening(Item):
    """A port that the firewall lets in."""

    port: Port
    protocol: Protocol = "tcp"
    sources: tuple[Network, ...] | None = Field(default=None, strict=False)
    """Networks that may connect; None: everyone, empty: nobody."""
    reason: Annotated[str, Field(pattern=r"^[A-Za-z0-9 ,.:()/_-]{0,60}$")] = ""
    """What it is for; shown in the rules as a comment."""


UserName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
PublicKey = Annotated[
    str, Field(pattern=r"^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [ -~]*)?$")
]


class AccessSettings(ComponentSettings):
    """SSH daemon and firewall. Changes are kept only if a fresh login works after them."""

    prefix: ClassVar[str] = "access_"

    ssh_port: Port = Field(
        default=22,
        description="Port on which sshd listens on the host itself; mailfleet keeps it open and "
        "never changes it.",
    )
    ssh_connections_per_minute: Annotated[int, Field(ge=1)] = Field(
        default=60, description="New SSH connections let in per source address and minute."
    )
    firewall: bool = Field(
        default=True,
        description="Drop inbound traffic that no component needs, also to ports that Docker "
        "publishes.",
    )
    logins: dict[UserName, list[PublicKey]] | None = Field(
        default=None,
        description='Who may log in, by which SSH public keys: `{"root": ["ssh-ed25519 AAAA... '
        'anna"]}`. `mailfleet drift` then names every other login and key; none is installed or '
        "removed.",
    )
    open: list[Opening] = Field(
        default=[],
        description='Further ports to open, each as `Opening(port=9100, sources=("10.0.0.0/8",), '
        'reason="node exporter")`.',
    )
