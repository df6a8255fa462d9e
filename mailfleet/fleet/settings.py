"""Settings of the fleet itself: the name and addresses of a host, and where secrets are kept."""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import HostName, Text


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


class SecretsSettings(ComponentSettings):
    """Which backend holds the values that `secret("...")` refers to. Set it for all hosts."""

    prefix: ClassVar[str] = "secrets_"
    fleet_wide: ClassVar[bool] = True

    backend: Literal["age", "environment"] = Field(
        default="age",
        description="`age`: one encrypted YAML file; `environment`: variables "
        "MAILFLEET_SECRET_<NAME>, for CI and for secret managers that inject them.",
    )
    file: Text = Field(
        default="secrets/fleet.age",
        description="The age file, relative to the directory of group_data.",
    )
    identity: Text | None = Field(
        default=None,
        description="The age identity (private key) file. Default: $MAILFLEET_IDENTITY, else "
        "~/.config/mailfleet/identity.txt.",
    )
