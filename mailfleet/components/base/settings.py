"""Settings of `base`: what every server of the fleet has in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import HostName

SysctlName = Annotated[str, Field(pattern=r"^[a-z0-9_.-]+$")]


class BaseSettings(ComponentSettings):
    """Name, packages, clock, updates, kernel settings, swap and journal of a host."""

    prefix: ClassVar[str] = "base_"

    packages: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]] = Field(
        default=[], description="Debian packages to install besides those mailfleet needs."
    )
    ntp_servers: list[HostName] = Field(
        default=["0.debian.pool.ntp.org", "1.debian.pool.ntp.org", "2.debian.pool.ntp.org"],
        description="Time sources for chrony.",
    )
    unattended_upgrades: bool = Field(
        default=True, description="Install security updates daily; never reboots by itself."
    )
    sysctl: dict[SysctlName, int | str] = Field(
        default={}, description="Kernel settings to add to or replace mailfleet's own."
    )
    swap_below_mb: Annotated[int, Field(ge=0)] = Field(
        default=4096,
        description="Hosts with less memory than this (MiB) get a swap file; 0 turns it off.",
    )
    swap_size_mb: Annotated[int, Field(ge=64)] = Field(
        default=2048, description="Size of that swap file (MiB)."
    )
    journal_max_mb: Annotated[int, Field(ge=16)] = Field(
        default=500, description="Disk space the journal may take (MiB)."
    )
