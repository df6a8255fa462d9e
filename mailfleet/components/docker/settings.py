"""Settings of `docker`: the container engine."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings, Item
from mailfleet.fleet.types import Network, Text
from mailfleet.secrets import SecretRef


class Registry(Item):
    """A private registry."""

    host: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$")]
    ca_file: Text | None = None
    """PEM file on the control machine with the CA that signed the registry's certificate."""
    username: Text | None = None
    password: SecretRef | None = None


class DockerSettings(ComponentSettings):
    """Docker Engine and Compose v2."""

    prefix: ClassVar[str] = "docker_"

    source: Literal["distribution", "docker"] = Field(
        default="distribution",
        description="Packages of the distribution, or of Docker's own apt repository.",
    )
    log_driver: Literal["local", "json-file", "journald"] = Field(
        default="local", description="Default log driver of containers."
    )
    log_max_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*[kmg]$")] = Field(
        default="100m", description="Size at which a container's log is rotated."
    )
    log_max_files: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Rotated log files kept per container."
    )
    registry_mirrors: list[Annotated[str, Field(pattern=r"^https?://\S+$")]] = Field(
        default=[], description="Mirrors of Docker Hub, as URLs."
    )
    registries: list[Registry] = Field(
        default=[],
        description="Private registries, each as `Registry(host=..., ca_file=..., username=..., "
        'password=secret("docker/registry_password"))`.',
    )
    others: list[Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")]] = Field(
        default=[],
        description="Compose projects, and containers outside of any, that run here besides those "
        "of the components: `mailfleet drift` leaves them alone.",
    )
    address_pool: Network = Field(
        default="172.28.0.0/14",
        description="Network from which Docker takes the /24 of each compose project.",
    )
