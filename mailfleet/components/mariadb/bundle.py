"""mariadb: the database server, ready to be replicated from its first day."""

import re
from collections.abc import Iterable

from mailfleet.checks.gates import gates_of
from mailfleet.components.mariadb.probes import probes
from mailfleet.components.mariadb.settings import (
    DATABASE_NETWORK,
    MariadbSettings,
    database_address,
    database_is_published,
    major_version,
    query_facts,
)
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.database import (
    ROOT_BY_SOCKET,
)
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render

NAME = "mariadb"

DIRECTORY = "/opt/mariadb"
_COMPOSE = f"{DIRECTORY}/compose.yaml"
CONFIG = f"{DIRECTORY}/conf.d/mailfleet.cnf"
VARIABLES = "variables"
"""Fact: version and effective variables of the server."""
_INIT = f"{DIRECTORY}/init/root-by-socket.sql"


_VERSION_OF_DATA = """
data=$(docker volume inspect --format '{{.Mountpoint}}' mariadb_data 2>/dev/null) || exit 0
for file in mariadb_upgrade_info mysql_upgrade_info; do
    [ ! -s "$data/$file" ] || { head -n 1 "$data/$file"; break; }
done
"""
"""Shell that prints the version that the data is of, server up or down; nothing without data.
`mariadb-upgrade` writes the file, until 11.0 under the second name."""


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[MariadbSettings]
    # Postal manual, "MariaDB": the redo log holds at least ten of the largest messages. A packet
    # holds one message as an escaped SQL literal, at worst twice its size.
    largest_mb = fleet[PostalSettings].max_message_mb
    config = render(
        "mariadb/mailfleet.cnf",
        settings=settings,
        log_file_mb=max(96, 10 * largest_mb),
        packet_mb=max(64, 4 * largest_mb),
    )
    compose = render(
        "mariadb/compose.yaml",
        settings=settings,
        network=DATABASE_NETWORK,
        publish=database_address(fleet) if database_is_published(fleet) else None,
    )
    image = f"{settings.image}:{settings.version}"
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(f"{DIRECTORY}/conf.d", owned=True),
            Directory(f"{DIRECTORY}/init", owned=True),
        ),
        files=(
            File(_COMPOSE, compose.content),
            File(CONFIG, config.content),
            File(_INIT, ROOT_BY_SOCKET),
        ),
        checks=(
            _data_check(settings.version),
            *compose_checks(
                _COMPOSE,
                image,
                {
                    CONFIG: (
                        f"-v $stage{DIRECTORY}/conf.d:/etc/mysql/conf.d:ro --entrypoint mariadbd",
                        "--user=mysql --verbose --help",
                    )
                },
            ),
        ),
        project=Project(
            "mariadb",
            DIRECTORY,
            services=("mariadb",),
            mounted=(CONFIG,),
        ),
        gates=gates_of(probes(fleet, host)),
        facts={
            "data": _VERSION_OF_DATA,
            VARIABLES: _variables(desired_variables(config.content)),
        },
    )


_SETTING = re.compile(r"^([a-z_]+) = (.+)$", re.MULTILINE)


def desired_variables(config: bytes) -> dict[str, str]:
    """`name = value` of an option file that this component wrote."""
    return dict(_SETTING.findall(config.decode()))


def _variables(names: Iterable[str]) -> str:
    """Shell that prints the server's version and its effective variables."""
    listed = ", ".join(f"'{name}'" for name in names)
    return query_facts(
        "SELECT 'variable', LOWER(variable_name), global_value "
        f"FROM information_schema.system_variables WHERE variable_name IN ({listed})",
    )


def _other_version(version: str, data: str) -> str:
    """What is wrong with `version` where the data is of version `data`; fit for shell quotes."""
    return (
        f"mariadb_version is {version}, but the data is of MariaDB {data}. A deploy neither "
        "upgrades nor downgrades the major version: set the previous one."
    )


def _data_check(version: str) -> Check:
    """The same right before the files are put in place: what the run's beginning could not see,
    since Docker was not there to be asked, is seen by then."""
    return Check(
        (_COMPOSE,),
        f"version=$({_VERSION_OF_DATA})\n"
        f'case $version in "" | {major_version(version)}.*) ;; '
        f'*) echo "{_other_version(version, "$version")}"; exit 1 ;; esac',
        "the data directory",
    )
