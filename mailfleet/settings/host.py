"""What is known of a host itself."""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.types import HostName


def _ipv4(value: object) -> IPv4Address | None:
    return None if value is None else IPv4Address(str(value))


def _ipv6(value: object) -> IPv6Address | None:
    return None if value is None else IPv6Address(str(value))


class HostSettings(ComponentSettings):
    """The name and addresses of a host. Set them per host in the inventory; the dynamic
    inventories fill the addresses in."""

    prefix: ClassVar[str] = "host_"

    fqdn: HostName = Field(
        description="Fully qualified name of the host; its PTR record must say the same."
    )
    public_ipv4: Annotated[IPv4Address | None, BeforeValidator(_ipv4)] = Field(
        default=None, description="Address under which the world reaches the host."
    )
    public_ipv6: Annotated[IPv6Address | None, BeforeValidator(_ipv6)] = Field(
        default=None, description="IPv6 address under which the world reaches the host."
    )
    private_ipv4: Annotated[IPv4Address | None, BeforeValidator(_ipv4)] = Field(
        default=None,
        description="Address on the private network that the hosts of the fleet share; the "
        "database is published there and nowhere else when Postal runs on other hosts.",
    )
