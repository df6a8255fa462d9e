"""Settings of `mariadb`: the database server."""

from typing import Annotated, ClassVar

from pydantic import Field

from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.types import Image, Tag


class MariadbSettings(ComponentSettings):
    """MariaDB as a compose project, for Postal and the e-mail API."""

    prefix: ClassVar[str] = "mariadb_"

    image: Image = Field(default="mariadb", description="Image name, without tag.")
    version: Tag = Field(
        default="11.8",
        description="Image tag. A deploy refuses to change the major version: that is an upgrade.",
    )
    buffer_pool_mb: Annotated[int, Field(ge=64)] = Field(
        default=512,
        description="InnoDB buffer pool (MiB); about half of the memory on a host of its own.",
    )
    max_connections: Annotated[int, Field(ge=10)] = Field(
        default=200, description="Connections at most."
    )
    binlog_expire_days: Annotated[int, Field(ge=1)] = Field(
        default=7,
        description="Days the binary log is kept; replicas and point-in-time restores need it.",
    )
    server_id: Annotated[int, Field(ge=1, le=4294967295)] = Field(
        default=1, description="Replication id; must differ between the fleet's databases."
    )
