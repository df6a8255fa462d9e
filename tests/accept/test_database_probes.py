"""Probes of the database, run against a real MariaDB with the tables of Postal."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailfleet.checks.probe import Probe
from mailfleet.checks.result import CheckResult, Status
from mailfleet.components.mariadb import probes as mariadb
from mailfleet.components.postal import probes as postal
from tests.lab.hosts import until
from tests.probes import asked
from tests.unit.conftest import Write, fleet_from

__all__ = ["fleet_from"]

# Columns and types of Postal 3.3 (db/schema.rb; lib/postal/message_db), as far as they are asked.
_TABLES = """
CREATE DATABASE postal; USE postal;
CREATE TABLE domains (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255), verified_at DATETIME,
    dns_checked_at DATETIME(6), spf_status VARCHAR(255), dkim_status VARCHAR(255),
    mx_status VARCHAR(255), return_path_status VARCHAR(255));
CREATE TABLE scheduled_tasks (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255),
    next_run_after DATETIME);
CREATE TABLE queued_messages (id INT AUTO_INCREMENT PRIMARY KEY, locked_at DATETIME(6),
    retry_after DATETIME, created_at DATETIME(6));
CREATE DATABASE `postal-server-1`; CREATE DATABASE `postal-server-2`;
CREATE TABLE `postal-server-1`.messages (id INT AUTO_INCREMENT PRIMARY KEY, held TINYINT(1));
CREATE TABLE `postal-server-2`.messages LIKE `postal-server-1`.messages;
CREATE TABLE `postal-server-1`.`raw-2026-01-01` (id INT, data LONGBLOB, next INT);
"""


_EMPTY = """
DELETE FROM postal.domains; DELETE FROM postal.scheduled_tasks; DELETE FROM postal.queued_messages;
DELETE FROM `postal-server-1`.messages; DELETE FROM `postal-server-2`.messages;
"""

# For these sessions it is LATER, in seconds.
_DOCKER = """#!/bin/sh
shift 3
exec "$@" --socket={socket} --init-command="SET timestamp = UNIX_TIMESTAMP() + ${{LATER:-0}}"
"""


@dataclass(frozen=True)
class Database:
    """A server of its own, which `docker exec -i mariadb` leads to here."""

    directory: Path

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"

    @property
    def client(self) -> list[str]:
        return ["mariadb", f"--socket={self._socket}", "--user=root", "--batch", "--unbuffered"]

    def start(self) -> subprocess.Popen[bytes]:
        data = self.directory / "data"
        data.mkdir()
        docker = self.directory / "docker"
        docker.write_text(_DOCKER.format(socket=self._socket))
        docker.chmod(0o755)
        # Without tables of users everyone may do everything, and there is nothing to install.
        options = ["--no-defaults", "--skip-grant-tables", "--skip-networking", "--user=root"]
        options += ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M"]
        with (self.directory / "log").open("wb") as log:
            return subprocess.Popen(
                ["/usr/sbin/mariadbd", *options, f"--datadir={data}", f"--socket={self._socket}"],
                stdout=log,
                stderr=log,
            )

    def sql(self, statements: str) -> bool:
        done = subprocess.run(
            [*self.client, "-e", statements],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0

    def ask(self, name: str, write: Write, settings: str = "", later: int = 0) -> CheckResult:
        fleet = write(settings)
        host = fleet.hosts["postal1"]
        known = (*mariadb.probes(fleet, host), *postal.probes(fleet, host))
        (probe,) = (probe for probe in known if probe.name == name)
        assert isinstance(probe, Probe)
        return asked(probe, self.directory, "mariadb", "postal1", LATER=str(later))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("database"))
    process = database.start()
    try:
        until(lambda: database.sql("SELECT 1"), "MariaDB answers")
        assert database.sql(_TABLES)
        yield database
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def database(running: Database) -> Database:
    assert running.sql(_EMPTY)
    return running


def test_probes_of_an_empty_postal_are_ok(database: Database, fleet_from: Write) -> None:
    found = {
        name: database.ask(name, fleet_from)
        for name in (
            "queue",
            "oldest message",
            "held messages",
            "scheduled tasks",
            "sending domains",
            "raw tables",
            "row format",
            "connections",
        )
    }
    assert {one.status for one in found.values()} == {Status.OK}, found
    assert found["held messages"].message == "0 held"
    assert found["sending domains"].message == "none yet"
    assert found["connections"].value is not None


_DOMAINS = """
INSERT INTO postal.domains (name, verified_at, dkim_status, spf_status, return_path_status) VALUES
    ('good.test', NOW(), 'OK', 'OK', 'Missing'),
    ('new.test', NOW(), NULL, NULL, NULL),
    ('unsigned.test', NOW(), 'Missing', 'OK', 'OK'),
    ('wrong.test', NOW(), 'Invalid', 'Missing', 'Invalid'),
    ('nobody.test', NULL, NULL, NULL, NULL)
"""


def test_domains_with_faults_are_named(database: Database, fleet_from: Write) -> None:
    """As Postal itself sees them: `verified_at`, and the statuses of its own look at DNS."""
    assert database.sql(_DOMAINS)
    found = database.ask("sending domains", fleet_from)
    assert (found.status, found.value, found.limit) == (Status.WARN, 4, "warns from 1")
    assert found.message == (
        "4 of 5: new.test (DNS never checked), nobody.test (not verified), unsigned.test (DKIM "
        "missing), wrong.test (DKIM invalid, SPF missing, return path invalid)"
    )
    assert database.sql("DELETE FROM postal.domains WHERE name <> 'good.test'")
    found = database.ask("sending domains", fleet_from)
    assert found.status is Status.OK
    assert found.message == "all 1 verified, SPF and DKIM as Postal wants them"


def test_of_many_faulty_domains_five_are_named(database: Database, fleet_from: Write) -> None:
    names = ", ".join(f"('d{number}.test')" for number in range(12))
    assert database.sql(f"INSERT INTO postal.domains (name) VALUES {names}")
    found = database.ask("sending domains", fleet_from)
    assert found.message.startswith("12 of 12: d0.test (not verified), ")
    assert found.message.endswith(" and 7 more")


@pytest.mark.parametrize(
    ("held", "settings", "status"),
    [
        (99, "", Status.OK),
        (100, "", Status.WARN),
        (100, "health_held_messages = 5000", Status.OK),
        (40, "health_held_messages = 4", Status.FAIL),
    ],
)
def test_messages_held_by_all_servers_are_counted(
    database: Database, fleet_from: Write, held: int, settings: str, status: Status
) -> None:
    assert database.sql(
        f"INSERT INTO `postal-server-1`.messages (held) SELECT 1 FROM postal.seq_1_to_{held - 3};"
        "INSERT INTO `postal-server-2`.messages (held) VALUES (1), (1), (1), (0)"
    )
    found = database.ask("held messages", fleet_from, settings)
    assert (found.status, found.value) == (status, held)


@pytest.mark.parametrize(
    ("settings", "status"),
    [("", Status.OK), ("health_queue_messages = 30", Status.WARN)],
)
def test_the_limit_of_the_queue_is_a_setting(
    database: Database, fleet_from: Write, settings: str, status: Status
) -> None:
    assert database.sql(
        "INSERT INTO postal.queued_messages (id) SELECT seq FROM postal.seq_1_to_40"
    )
    assert database.ask("queue", fleet_from, settings).status is status


@pytest.mark.parametrize(
    ("after", "status", "finding"),
    [
        ("UTC_TIMESTAMP() + INTERVAL 1 HOUR", Status.OK, "the latest one is 0 s overdue"),
        ("UTC_TIMESTAMP() - INTERVAL 1 HOUR", Status.WARN, "the latest one is 36"),
        ("UTC_TIMESTAMP() - INTERVAL 3 HOUR", Status.FAIL, "the latest one is 108"),
    ],
)
def test_overdue_tasks_are_reported(
    database: Database, fleet_from: Write, after: str, status: Status, finding: str
) -> None:
    assert database.sql(f"INSERT INTO postal.scheduled_tasks (next_run_after) VALUES ({after})")
    found = database.ask("scheduled tasks", fleet_from)
    assert found.status is status
    assert found.message.startswith(finding)


@pytest.mark.parametrize(
    ("later", "status"), [(0, Status.OK), (1000, Status.WARN), (7300, Status.FAIL)]
)
def test_tasks_that_were_never_planned_are_reported(
    database: Database, fleet_from: Write, later: int, status: Status
) -> None:
    """A worker plans them all when it starts."""
    found = database.ask("scheduled tasks", fleet_from, later=later)
    assert found.status is status
    assert found.message.startswith("none was ever planned, in ")


@pytest.mark.parametrize(("others", "status"), [(7, Status.WARN), (9, Status.FAIL)])
def test_open_connections_are_measured(
    database: Database, fleet_from: Write, others: int, status: Status
) -> None:
    """Ten are allowed; one is the question's own."""
    assert database.sql("SET GLOBAL max_connections = 10")
    with ExitStack() as held:
        for _ in range(others):
            one = held.enter_context(
                subprocess.Popen(
                    database.client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            assert one.stdin and one.stdout
            one.stdin.write("SELECT 1;\n")
            one.stdin.flush()
            assert one.stdout.readline()
        found = database.ask("connections", fleet_from)
    assert database.sql("SET GLOBAL max_connections = 151")
    assert (found.status, found.value) == (status, 10 * (others + 1))
    assert found.message == f"{10 * (others + 1)}% of max_connections in use"


def test_tables_of_older_versions_are_named(database: Database, fleet_from: Write) -> None:
    assert database.sql(
        "CREATE TABLE `postal-server-2`.`raw-2020-01-01` (id INT, data BLOB);"
        "CREATE TABLE postal.old (id INT) ROW_FORMAT=COMPACT"
    )
    raw, row = (database.ask(name, fleet_from) for name in ("raw tables", "row format"))
    assert database.sql("DROP TABLE `postal-server-2`.`raw-2020-01-01`, postal.old")
    assert (raw.status, row.status) == (Status.WARN, Status.WARN)
    assert raw.message == "not LONGBLOB: postal-server-2.raw-2020-01-01 blob"
    assert row.message == "not DYNAMIC: postal/old"


def test_a_missing_table_of_postal_is_a_failure(database: Database, fleet_from: Write) -> None:
    assert database.sql("RENAME TABLE postal.domains TO postal.gone")
    found = database.ask("sending domains", fleet_from)
    assert database.sql("RENAME TABLE postal.gone TO postal.domains")
    assert found.status is Status.FAIL
    assert "doesn't exist" in found.message
