"""Settings of `preflight`: what a host must offer before anything is changed on it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import HostName, Port

Finding = Literal[
    "architecture",
    "clock",
    "compose",
    "cores",
    "disk",
    "docker",
    "host-name",
    "memory",
    "os",
    "outbound-25",
    "ports",
]


class PreflightSettings(ComponentSettings):
    """Checks made before the first change. The defaults are the Postal manual's minimum."""

    prefix: ClassVar[str] = "preflight_"

    accept: list[Finding] = Field(
        default=[], description="Findings, by name, that do not stop the run."
    )
    memory_mb: Annotated[int, Field(ge=0)] = Field(
        default=4096, description="Memory wanted on a host that runs Postal (MiB)."
    )
    cores: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Processor cores wanted on a host that runs Postal."
    )
    disk_gb: Annotated[int, Field(ge=1)] = Field(
        default=25, description="Size of the file system of /var/lib/docker (GiB)."
    )
    outbound_host: HostName = Field(
        default="gmail-smtp-in.l.google.com",
        description="Mail server to which outbound port 25 is tried.",
    )
    outbound_port: Port = Field(default=25, description="Port tried there.")
