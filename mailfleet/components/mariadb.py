"""mariadb: the database server, ready to be replicated from its first day."""

import hashlib
from collections.abc import Generator

from pyinfra import host as context_host
from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy as pyinfra_deploy
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle, Directory, File, Gate, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here, forget, observe
from mailfleet.converge.services import services
from mailfleet.dns.record import Record
from mailfleet.health.probe import Probe
from mailfleet.secrets import Secret
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.ports import DATABASE_NETWORK, database_address, database_is_published
from mailfleet.templates import render

NAME = "mariadb"
ROLES = ("database",)

DIRECTORY = "/opt/mariadb"
_COMPOSE = f"{DIRECTORY}/compose.yaml"
_CONFIG = f"{DIRECTORY}/conf.d/mailfleet.cnf"
_INIT = f"{DIRECTORY}/init/root-by-socket.sql"

CLIENT = "docker exec -i mariadb mariadb --user=root --batch --skip-column-names"


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
    init = b"ALTER USER root@localhost IDENTIFIED VIA unix_socket;\n"
    image = f"{settings.image}:{settings.version}"
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(f"{DIRECTORY}/conf.d", owned=True),
            Directory(f"{DIRECTORY}/init", owned=True),
        ),
        files=(File(_COMPOSE, compose.content), File(_CONFIG, config.content), File(_INIT, init)),
        checks=compose_checks(
            _COMPOSE,
            image,
            {
                _CONFIG: (
                    f"-v $stage{DIRECTORY}/conf.d:/etc/mysql/conf.d:ro --entrypoint mariadbd",
                    "--user=mysql --verbose --help",
                )
            },
        ),
        project=Project(
            "mariadb",
            DIRECTORY,
            services=("mariadb",),
            mounted=(_CONFIG,),
            gates=(Gate(f"{CLIENT} -e 'SELECT 1'", "MariaDB answers no query"),),
        ),
        facts={
            "server": _facts(postal.database_user, postal.database_name, postal.database_prefix)
        },
    )


def _facts(user: str, database: str, prefix: str) -> str:
    """What the database server says of Postal's user and databases. The stored hash of the
    password is compared, itself hashed."""
    queries = (
        "SELECT CONCAT('version ', VERSION())",
        "SELECT CONCAT('password ', SHA2(authentication_string, 256)) FROM mysql.user "
        f"WHERE user = '{user}' AND host = '%'",
        f"SHOW GRANTS FOR '{user}'@'%'",
        "SELECT CONCAT('database ', schema_name) FROM information_schema.schemata "
        f"WHERE schema_name = '{database}' OR schema_name LIKE '{prefix}-server-%'",
        f"SELECT CONCAT('schema ', MAX(version)) FROM `{database}`.schema_migrations",
        f"SELECT CONCAT('server ', id) FROM `{database}`.servers",
        f"SELECT CONCAT('user ', email_address) FROM `{database}`.users",
    )
    statements = "".join(f"{query};\n" for query in queries)
    return f"{CLIENT} --force 2>/dev/null <<'END'\n{statements}END"


def native_password_hash(password: Secret) -> str:
    """As mysql_native_password stores it: `*` and the hex SHA-1 of the SHA-1."""
    inner = hashlib.sha1(password.reveal().encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def _grants(database: str, prefix: str) -> tuple[str, ...]:
    return (f"`{database}`.*", f"`{prefix}-%`.*")


def _user_sql(user: str, stored: str, scopes: tuple[str, ...]) -> str:
    return "\n".join(
        [
            f"CREATE USER IF NOT EXISTS '{user}'@'%';",
            f"ALTER USER '{user}'@'%' IDENTIFIED VIA mysql_native_password USING '{stored}';",
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user}'@'%';",
            *(f"GRANT ALL PRIVILEGES ON {scope} TO '{user}'@'%';" for scope in scopes),
        ]
    )


@operation()
def postal_user(
    user: str, password: Secret, database: str, prefix: str
) -> Generator[StringCommand, None, None]:
    """Postal's database user: its password, and rights on Postal's databases and no others.

    + user: name
    + password: its password; only the hash is sent, on standard input
    + database: name of the main database
    + prefix: prefix of the message databases
    """
    stored = native_password_hash(password)
    scopes = _grants(database, prefix)
    lines = observe(context_host).facts.get(f"{NAME}/server", ())
    granted = {line.split(" ON ")[1].split(" TO ")[0] for line in lines if " ON " in line}
    expected = f"password {hashlib.sha256(stored.encode()).hexdigest()}"
    if expected in lines and granted - {"*.*"} == set(scopes) and not _has_global_rights(lines):
        context_host.noop(f"database user {user} is as described")
        return
    yield StringCommand(CLIENT, _stdin=_user_sql(user, stored, scopes))
    forget(context_host)


def _has_global_rights(lines: tuple[str, ...]) -> bool:
    return any(" ON *.* TO " in line and not line.startswith("GRANT USAGE ") for line in lines)


def _refuse_upgrade(wanted: Bundle, version: str) -> None:
    """MariaDB's major version is its first two numbers, such as 11.8."""
    running = next(
        (
            line.split()[1]
            for line in observe(context_host).facts.get(f"{wanted.component}/server", ())
            if line.startswith("version ")
        ),
        None,
    )
    major = ".".join(version.partition("@")[0].split(".")[:2])
    if running and not running.startswith(f"{major}."):
        raise OperationError(
            f'{context_host.name}: mariadb_version = "{version}", but {running} holds the data. '
            "A deploy does not change the major version: set the former one."
        )


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    return (
        Probe(
            "queries",
            f"version=$({CLIENT} -e 'SELECT VERSION()') && echo \"answers, $version\"",
            "read `docker logs mariadb`",
        ),
        Probe(
            "binary log",
            f"state=$({CLIENT} -e 'SELECT @@log_bin, @@gtid_strict_mode') || exit 1; "
            'echo "log_bin and gtid_strict_mode: $state"; [ "$(echo $state)" = "1 1" ]',
            "deploy again: a later move needs it",
        ),
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
        _refuse_upgrade(wanted, fleet.hosts[context_host.name].mariadb.version)
        files(name="files", bundle=wanted)
        services(name="services", bundle=wanted)
        postal_user(
            name="database user of Postal",
            user=postal.database_user,
            password=fleet.value(postal.database_password),
            database=postal.database_name,
            prefix=postal.database_prefix,
        )
