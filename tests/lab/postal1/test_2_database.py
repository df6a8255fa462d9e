"""The database down, of another version, or with databases that are not ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfleet.components.mariadb.settings import CLIENT
from mailfleet.components.postal.database import (
    _user_is_right,
    _user_sql,
    database_facts,
    grants,
)
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.database import native_password_hash
from mailfleet.secrets import Secret
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until

_FIRST_RUN = {
    "postal | database user",
    "postal | database schema",
    "postal | first admin user",
}


def _answers(machine: Machine) -> bool:
    return machine.ask(f"{CLIENT} -e 'SELECT 1' </dev/null").code == 0


@pytest.fixture
def stopped(restored: Operator, postal1: Machine) -> Iterator[Operator]:
    """The operator of a fleet whose database server is down."""
    postal1.run("docker stop -t 60 mariadb")
    yield restored
    postal1.run("docker start mariadb")
    until(lambda: _answers(postal1), "MariaDB answers")


def test_a_database_that_is_down_makes_no_plan_of_what_was_done(stopped: Operator) -> None:
    dry = stopped.dry().ok()
    assert "mariadb | services" in dry.planned["postal1"]
    assert dry.planned["postal1"].isdisjoint(_FIRST_RUN), dry
    real = stopped.deploy().ok()
    assert real.changed == dry.planned
    assert stopped.dry().ok().planned == {}


def test_what_was_undone_while_the_database_was_down_is_done_again(
    restored: Operator, postal1: Machine
) -> None:
    postal1.run(
        f"{CLIENT} -e \"REVOKE ALL PRIVILEGES ON \\`postal-%\\`.* FROM postal@'%'\" </dev/null"
    )
    postal1.run("docker stop -t 60 mariadb")
    real = restored.deploy().ok()
    assert "postal | database user" in real.changed["postal1"]
    assert restored.dry().ok().planned == {}


def test_another_major_version_is_refused_with_the_server_down(
    stopped: Operator, postal1: Machine, tmp_path: Path
) -> None:
    image = postal1.run("docker inspect --format '{{.Config.Image}}' mariadb")
    for version in ("11.4.8", "12.3.3"):
        other = stopped.variant(tmp_path, f'settings["mariadb_version"] = "{version}"')
        other.deploy().refused(version, "the data is of MariaDB 11.8", "major version")
    assert postal1.run("docker inspect --format '{{.Config.Image}}' mariadb") == image


def test_foreign_message_databases_are_seen_when_the_server_comes_up(
    restored: Operator, postal1: Machine
) -> None:
    """While it was down nobody could ask for them, and Postal would drop them."""
    postal1.run(f"{CLIENT} -e 'CREATE DATABASE `postal-server-999`' </dev/null")
    postal1.run("docker stop -t 60 mariadb; rm /var/lib/mailfleet/applied/postal/schema")
    try:
        restored.deploy().refused("postal-server-999", "Postal would drop them")
        assert postal1.ask("test -e /var/lib/mailfleet/applied/postal/schema").code != 0
    finally:
        postal1.run("docker start mariadb")
        until(lambda: _answers(postal1), "MariaDB answers")
        postal1.run(f"{CLIENT} -e 'DROP DATABASE `postal-server-999`' </dev/null")


def test_a_console_is_no_pending_change(deployed: Operator, postal1: Machine) -> None:
    compose = "docker compose --project-directory /opt/postal"
    console = postal1.run(f"{compose} run --detach --no-deps runner sleep 600 </dev/null")
    try:
        assert (
            postal1.run(f"docker inspect --format '{{{{.State.Status}}}}' {console}") == "running"
        )
        assert deployed.dry().ok().planned == {}
    finally:
        postal1.run(f"docker rm -f {console}")


def test_rights_on_a_name_with_an_underscore_are_for_that_name_only(
    deployed: Operator, postal1: Machine
) -> None:
    stored, scopes = native_password_hash(Secret("scratch")), grants("my_db", "my_db")
    postal1.run(f"{CLIENT} <<'END'\n{_user_sql('scratch', stored, scopes)}\nEND")
    as_scratch = "docker exec -e MYSQL_PWD=scratch mariadb mariadb -h 127.0.0.1 -u scratch -e"
    try:
        settings = PostalSettings(
            web_hostname="postal.lab.test",
            database_user="scratch",
            database_name="my_db",
            database_prefix="my_db",
        )
        told = postal1.run(database_facts(settings))
        assert _user_is_right(tuple(told.splitlines()), stored, scopes), told
        assert stored not in told
        for name in ("my_db", "my_db-server-1"):
            postal1.run(f"{as_scratch} 'CREATE DATABASE `{name}`; DROP DATABASE `{name}`'")
        for name in ("myxdb", "myxdb-server-1", "my_db2"):
            denied = postal1.ask(f"{as_scratch} 'CREATE DATABASE `{name}`'")
            assert "Access denied" in denied.error, (name, denied)
    finally:
        postal1.run(f"{CLIENT} -e \"DROP USER scratch@'%'\" </dev/null")
