"""mariadb: the database server, ready to be replicated from its first day."""

import hashlib
import hmac
import re
import shlex
from collections.abc import Generator, Iterable

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy as pyinfra_deploy
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle, Check, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.database import (
    ROOT_BY_SOCKET,
    native_password_hash,
    stored_password,
    told_password,
)
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here, forget, observe
from mailfleet.converge.services import services
from mailfleet.converge.shell import script
from mailfleet.dns.record import Record
from mailfleet.drift.judges import granted
from mailfleet.health.gates import gates_of
from mailfleet.health.postal_queue import queue_probes
from mailfleet.health.probe import Level, Limit, Probe
from mailfleet.secrets import Secret
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.mariadb import major_version
from mailfleet.settings.ports import DATABASE_NETWORK, database_address, database_is_published
from mailfleet.templates import render

NAME = "mariadb"
ROLES = ("database",)

DIRECTORY = "/opt/mariadb"
_COMPOSE = f"{DIRECTORY}/compose.yaml"
CONFIG = f"{DIRECTORY}/conf.d/mailfleet.cnf"
SERVER = "server"
"""Fact: what the server says."""
_INIT = f"{DIRECTORY}/init/root-by-socket.sql"

_SQL = "mariadb --user=root --batch --skip-column-names"
CLIENT = f"docker exec -i mariadb {_SQL}"

_VERSION_OF_DATA = """
data=$(docker volume inspect --format '{{.Mountpoint}}' mariadb_data 2>/dev/null) || exit 0
for file in mariadb_upgrade_info mysql_upgrade_info; do
    [ ! -s "$data/$file" ] || { head -n 1 "$data/$file"; break; }
done
"""
"""Shell that prints the version that the data is of, server up or down; nothing without data.
`mariadb-upgrade` writes the file, until 11.0 under the second name."""

_USER_RECORD = "postal-user"
"""What the database user was last made from, among the host's applied records."""


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings, postal = host.mariadb, fleet.postal
    # Postal manual, "MariaDB": the redo log holds at least ten of the largest messages. A packet
    # holds one message as an escaped SQL literal, at worst twice its size.
    largest_mb = postal.max_message_mb
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
            SERVER: _facts(
                postal.database_user,
                postal.database_name,
                postal.database_prefix,
                described_variables(config.content),
            ),
        },
    )


_SETTING = re.compile(r"^([a-z_]+) = (.+)$", re.MULTILINE)


def described_variables(config: bytes) -> dict[str, str]:
    """`name = value` of an option file that this component wrote."""
    return dict(_SETTING.findall(config.decode()))


def _facts(user: str, database: str, prefix: str, variables: Iterable[str]) -> str:
    """What the database server says of Postal's user and databases, and its variables in force.
    SHOW GRANTS tells the stored hash of the password, too: that part stays there."""
    names = ", ".join(f"'{name}'" for name in variables)
    queries = (
        "SELECT CONCAT('version ', VERSION())",
        "SELECT 'variable', LOWER(variable_name), global_value "
        f"FROM information_schema.system_variables WHERE variable_name IN ({names})",
        stored_password(user),
        f"SHOW GRANTS FOR '{user}'@'%'",
        "SELECT CONCAT('database ', schema_name) FROM information_schema.schemata "
        f"WHERE schema_name = '{database}' OR schema_name LIKE '{prefix}-server-%'",
        f"SELECT CONCAT('schema ', MAX(version)) FROM `{database}`.schema_migrations",
        f"SELECT CONCAT('server ', id) FROM `{database}`.servers",
        f"SELECT CONCAT('user ', email_address) FROM `{database}`.users",
    )
    statements = "".join(f"{query};\n" for query in queries)
    return f"{CLIENT} --raw --force 2>/dev/null <<'END' | sed 's/ IDENTIFIED .*//'\n{statements}END"


def grants(database: str, prefix: str) -> tuple[str, ...]:
    """Scopes as GRANT takes and SHOW GRANTS prints them: `_` and `%` are wildcards in them."""
    exact, start = (name.replace("_", "\\_") for name in (database, prefix))
    return (f"`{exact}`.*", f"`{start}-%`.*")


def _user_sql(user: str, stored: str, scopes: tuple[str, ...]) -> str:
    return "\n".join(
        [
            f"CREATE USER IF NOT EXISTS '{user}'@'%';",
            f"ALTER USER '{user}'@'%' IDENTIFIED VIA mysql_native_password USING '{stored}';",
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user}'@'%';",
            *(f"GRANT ALL PRIVILEGES ON {scope} TO '{user}'@'%';" for scope in scopes),
        ]
    )


def user_fingerprint(key: Secret, user: str, stored: str, scopes: tuple[str, ...]) -> str:
    """What the user is made from, as hex. Keyed: without the key it is no help in guessing."""
    described = "\n".join([user, stored, *scopes]).encode()
    return hmac.new(key.reveal().encode(), described, hashlib.sha256).hexdigest()


@operation()
def postal_user(
    user: str, password: Secret, database: str, prefix: str, key: Secret
) -> Generator[StringCommand, None, None]:
    """Postal's database user: its password, and rights on Postal's databases and no others.

    + user: name
    + password: its password; only the hash is sent, on standard input
    + database: name of the main database
    + prefix: prefix of the message databases
    + key: keys the fingerprint that is kept on the host
    """
    stored = native_password_hash(password)
    scopes = grants(database, prefix)
    fingerprint = user_fingerprint(key, user, stored, scopes)
    seen = observe(context_host)
    lines = seen.facts.get(f"{NAME}/{SERVER}", ())
    if _user_is_right(lines, stored, scopes):
        context_host.noop(f"database user {user} is as described")
        return
    # A server that is down says nothing of its users. It is asked again once it runs.
    was_made = seen.applied.get(f"{NAME}/{_USER_RECORD}") == fingerprint
    if was_made and not lines and not context_state.is_executing:
        context_host.noop(f"database user {user} was made as described")
        return
    record = shlex.join(["record", _USER_RECORD, fingerprint])
    yield StringCommand(
        script("follow", NAME, "database user", [CLIENT, record]),
        _stdin=_user_sql(user, stored, scopes),
    )
    forget(context_host)


def _user_is_right(lines: tuple[str, ...], stored: str, scopes: tuple[str, ...]) -> bool:
    return told_password(stored) in lines and granted(lines) == wanted_rights(scopes)


def wanted_rights(scopes: Iterable[str]) -> set[tuple[str, str]]:
    """As `granted` tells them."""
    return {("ALL PRIVILEGES", scope) for scope in scopes}


def _other_version(version: str, data: str) -> str:
    """What is wrong with `version` where the data is of version `data`; fit for shell quotes."""
    return (
        f"mariadb_version is {version}, but the data is of MariaDB {data}. A deploy neither "
        "upgrades nor downgrades the major version: set the former one."
    )


def refuse_other_version(host_name: str, version: str, data: str) -> None:
    """Raises OperationError where a deploy would start another major version on the data."""
    if data and major_version(data) != major_version(version):
        raise OperationError(f"{host_name}: {_other_version(version, data)}")


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


# Postal manual, "MariaDB": existing tables must have the row format DYNAMIC.
_OLD_ROW_FORMATS = f"""
tables=$({CLIENT} -e "SELECT name FROM information_schema.innodb_sys_tables
    WHERE row_format IN ('Compact', 'Redundant') AND name LIKE '%/%'
    AND name NOT LIKE 'mysql/%' AND name NOT LIKE 'sys/%'") || exit 1
[ -z "$tables" ] && echo 'as Postal needs it' || {{ echo "not DYNAMIC:" $tables; exit 80; }}
"""


def _raw_tables(prefix: str) -> str:
    """Postal manual, "MariaDB": those of a database of version 1 may have a smaller type."""
    return f"""
tables=$({CLIENT} -e "SELECT CONCAT(table_schema, '.', table_name, ' ', data_type)
    FROM information_schema.columns WHERE table_schema LIKE '{prefix}-server-%'
    AND table_name LIKE 'raw-%' AND column_name = 'data' AND data_type <> 'longblob'") || exit 1
[ -z "$tables" ] && echo 'messages are LONGBLOB' || {{ echo "not LONGBLOB:" $tables; exit 80; }}
"""


# Of a server that is no replica nothing is told. NULL: it does not replicate.
_REPLICATION = f"""
state=$({CLIENT.replace(" --batch --skip-column-names", "")} --vertical \\
    -e 'SHOW ALL SLAVES STATUS') || exit 1
echo "$state" | awk -F': ' '
    /^ *Seconds_Behind_Master:/ {{
        replicas++
        if ($2 == "NULL") stopped = 1
        else if ($2 > behind) behind = $2
    }}
    /^ *Last_(IO|SQL)_Error: ./ {{ sub(/^[^:]*: /, ""); error = $0 }}
    END {{
        print "measured " behind + 0
        if (stopped) print "does not replicate" (error ? ": " error : "")
        else if (replicas) print "replicates, " behind + 0 " s behind"
        else print "no replica of another server"
        exit stopped
    }}'
"""

# The server's own start: from where it reads its options, which UPTIME counts from, to where it
# binds its socket, which it does when InnoDB has recovered. So the first set-up of the data and
# upgrades, which the image does before, are no part of it, and a rotated log does not matter.
_START = f"""
answer=$(docker exec -i mariadb sh <<'END'
socket=/run/mysqld/mysqld.sock
[ -S $socket ] || exec echo starting
stat --format %Y $socket && {_SQL} -e "SELECT UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED)
    FROM information_schema.global_status WHERE variable_name = 'UPTIME'"
END
) || exit 1
set -- $answer
now=$(date +%s)
if [ "$1" = starting ]; then
    took=$((now - $(date -d "$(docker inspect --format '{{{{.State.StartedAt}}}}' mariadb)" +%s)))
    echo "measured $took"
    echo "not ready $took s after its start: $(docker logs --tail 1 mariadb 2>&1)"
else
    took=$(($1 > $2 ? $1 - $2 : 0))
    echo "measured $((now - $1 < 86400 ? took : 0))"
    echo "ready $took s after its start at $(date -u -d "@$2" +%FT%TZ)"
fi
"""


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    settings = fleet.postal
    return (
        Probe(
            "queries",
            f"version=$({CLIENT} -e 'SELECT VERSION()') && echo \"answers, $version\"",
            "read `docker logs mariadb`",
        ),
        Probe(
            "start",
            _START,
            "read in `docker logs mariadb` what took so long: let a recovery of InnoDB end, "
            "look at the disk otherwise",
            # A clean start takes seconds. From two minutes on Docker calls it unhealthy
            # (start_period), and a deploy soon gives up.
            limit=Limit(30, 120, " s"),
        ),
        Probe(
            "binary log",
            f"state=$({CLIENT} -e 'SELECT @@log_bin, @@gtid_strict_mode') || exit 1; "
            'echo "log_bin and gtid_strict_mode: $state"; [ "$(echo $state)" = "1 1" ]',
            "deploy again: a later move needs it",
        ),
        Probe(
            "connections",
            "used=$(" + CLIENT + ' -e "SELECT ROUND(100 * variable_value / @@max_connections) '
            "FROM information_schema.global_status WHERE variable_name = 'THREADS_CONNECTED'\")"
            ' || exit 1; echo "measured $used"; echo "$used% of max_connections in use"',
            "find who holds them with `SHOW PROCESSLIST`, or raise mariadb_max_connections",
            limit=Limit(80, 95, "%"),
        ),
        Probe(
            "row format",
            _OLD_ROW_FORMATS,
            "`ALTER TABLE ... ROW_FORMAT=DYNAMIC`: Postal's migrations fail otherwise",
            level=Level.FULL,
        ),
        Probe(
            "raw tables",
            _raw_tables(settings.database_prefix),
            "`ALTER TABLE ... MODIFY data LONGBLOB`: a message that is larger is cut or refused",
            level=Level.FULL,
        ),
        Probe(
            "replication",
            _REPLICATION,
            "read `SHOW ALL REPLICAS STATUS`: until it runs, a move loses what is written here",
            limit=Limit(60, 3600, " s"),
        ),
        *queue_probes(CLIENT, settings.database_name, settings.database_prefix, host.health),
    )


def records(fleet: Fleet) -> list[Record]:
    """Needs no DNS record of its own."""
    return []


@pyinfra_deploy("mariadb")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        fleet = fleet_here()
        postal = fleet.postal
        refuse_other_version(
            context_host.name,
            fleet.hosts[context_host.name].mariadb.version,
            observe(context_host).fact(NAME, "data"),
        )
        files(name="files", bundle=wanted)
        services(name="services", bundle=wanted)
        postal_user(
            name="database user of Postal",
            user=postal.database_user,
            password=fleet.value(postal.database_password),
            database=postal.database_name,
            prefix=postal.database_prefix,
            key=fleet.value(postal.rails_secret_key),
        )
