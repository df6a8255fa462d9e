"""Settings of `mariadb`: the database server."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.ports import LOOPBACK
from mailfleet.fleet.settings import HostSettings
from mailfleet.fleet.types import Image, Tag


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


DATABASE_NETWORK = "mailfleet-database"
"""Docker network on the database host: MariaDB and, beside it, its clients."""

CLIENT = "docker exec -i mariadb mariadb --user=root --batch --skip-column-names"
"""The server's own client on the database host: takes `-e QUERY`, or queries on standard input."""


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


def database_host(fleet: Fleet) -> Host:
    """The host that runs the database. Raises IndexError in a fleet without one."""
    return fleet.with_role("database")[0]


def database_is_published(fleet: Fleet) -> bool:
    """Postal on another host, or on the host's own network, reaches the database by a port."""
    return any(
        not host.has("database") or host[PostalSettings].networking == "host"
        for host in postal_hosts(fleet)
    )


def database_address(fleet: Fleet) -> str:
    """Address the database port is published on: the private network only if others need it."""
    remote = any(not host.has("database") for host in postal_hosts(fleet))
    return str(database_host(fleet)[HostSettings].private_ipv4) if remote else LOOPBACK


def query_facts(*queries: str) -> str:
    """Shell that prints `version VERSION`, then the rows of each query; one that fails, such as of
    a table that is not there yet, prints none. SHOW GRANTS prints the stored hash of the password,
    too: that part stays on the host."""
    statements = "".join(
        f"{query};\n" for query in ("SELECT CONCAT('version ', VERSION())", *queries)
    )
    return f"{CLIENT} --raw --force 2>/dev/null <<'END' | sed 's/ IDENTIFIED .*//'\n{statements}END"
