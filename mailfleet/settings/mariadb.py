"""Settings of `mariadb`: the database server."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.types import Image, Tag


def major_version(version: str) -> str:
    """MariaDB's major version is its first two numbers: `11.8` of `11.8.6-noble`. Raises
    ValueError."""
    match = re.match(r"[0-9]+\.[0-9]+(?![0-9])", version)
    if match is None:
        raise ValueError(
            "does not begin with a major version: write the tag as 11.8.6 or 11.8.6-noble, so that "
            "a deploy can see whether the data is of that version"
        )
    return match[0]


def _with_major_version(version: str) -> str:
    major_version(version)
    return version


class MariadbSettings(ComponentSettings):
    """MariaDB as a compose project, for Postal and the e-mail API."""

    prefix: ClassVar[str] = "mariadb_"

    image: Image = Field(default="mariadb", description="Image name, without tag.")
    version: Annotated[Tag, AfterValidator(_with_major_version)] = Field(
        default="11.8.9",
        description="Image tag. A deploy refuses to change the major version, its first two "
        "numbers: that is an upgrade.",
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
