"""MariaDB: which versions fit the data, what Postal's user may do, what is kept of it."""

import os
import subprocess
from pathlib import Path

import pytest
from pyinfra.api.exceptions import OperationError

from mailfleet.components.mariadb.bundle import bundle
from mailfleet.components.mariadb.deploy import refuse_other_version
from mailfleet.components.postal.database import _user_is_right, grants, user_fingerprint
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.fleet.errors import SettingsError
from mailfleet.secrets import Secret
from tests.unit.conftest import Write


@pytest.mark.parametrize(
    "version", ["11.8.9", "11.8.2", "11.8", "11.8-noble", "11.8.9@sha256:" + "0" * 64]
)
def test_tags_of_the_same_major_version_are_accepted(version: str) -> None:
    refuse_other_version("postal1", version, "11.8.6-MariaDB")
    refuse_other_version("postal1", version, "")


@pytest.mark.parametrize("version", ["11.4.8", "12.3", "11.80.1", "1.8"])
def test_a_newer_or_older_major_version_is_rejected(version: str) -> None:
    with pytest.raises(OperationError, match=f"{version}, but the data is of MariaDB 11.8.6"):
        refuse_other_version("postal1", version, "11.8.6-MariaDB")


@pytest.mark.parametrize("version", ["lts", "11", "noble", "latest"])
def test_a_tag_that_names_no_major_version_is_an_error(fleet_from: Write, version: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fleet_from(f'mariadb_version = "{version}"')
    assert "mariadb_version" in str(caught.value)
    assert "write the tag as 11.8.6" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "data", "refused"),
    [
        ("mariadb_upgrade_info", "11.8.6-MariaDB", False),
        ("mariadb_upgrade_info", "11.4.3-MariaDB", True),
        ("mysql_upgrade_info", "10.11.6-MariaDB", True),
        ("mysql_upgrade_info", "11.80.1-MariaDB", True),
        ("ibdata1", "no version", False),
    ],
)
def test_the_version_is_checked_against_the_data(
    fleet_from: Write, tmp_path: Path, file: str, data: str, refused: bool
) -> None:
    fleet = fleet_from('mariadb_version = "11.8.9"')
    check = bundle(fleet, fleet.hosts["postal1"]).checks[0]
    (tmp_path / file).write_text(data)
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\n[ "$*" = "volume inspect --format {{{{.Mountpoint}}}} '
        f'mariadb_data" ] && echo {tmp_path}\n'
    )
    docker.chmod(0o755)
    done = subprocess.run(
        ["sh", "-euc", check.command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, data in done.stdout) == (int(refused), refused), done


def test_underscores_in_database_names_are_escaped() -> None:
    assert grants("my_db", "my_db") == (r"`my\_db`.*", r"`my\_db-%`.*")


_USAGE = "GRANT USAGE ON *.* TO `postal`@`%`"
_MAIN, _SERVERS = (
    f"GRANT ALL PRIVILEGES ON {scope} TO `postal`@`%`" for scope in grants("postal", "postal")
)


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        ([_USAGE, _MAIN, _SERVERS], True),
        ([_USAGE, _MAIN], False),
        ([_USAGE, _MAIN, _SERVERS.replace("ALL PRIVILEGES", "SELECT, INSERT")], False),
        ([_USAGE, _MAIN, f"{_SERVERS} WITH GRANT OPTION"], False),
        ([_USAGE.replace("USAGE", "ALL PRIVILEGES"), _MAIN, _SERVERS], False),
        ([_USAGE, _MAIN, _SERVERS, "GRANT SELECT ON `mysql`.* TO `postal`@`%`"], False),
    ],
)
def test_missing_and_extra_grants_are_corrected(lines: list[str], right: bool) -> None:
    stored = native_password_hash(Secret("password"))
    told = ("version 11.8.6-MariaDB", told_password(stored), *lines)
    assert _user_is_right(told, stored, grants("postal", "postal")) is right


def test_the_fingerprint_depends_on_every_input() -> None:
    one = (Secret("key"), "postal", native_password_hash(Secret("one")), ("`postal`.*",))
    same = user_fingerprint(*one)
    for place, other in enumerate(
        (Secret("yek"), "other", native_password_hash(Secret("two")), ("`other`.*",))
    ):
        changed = list(one)
        changed[place] = other
        assert user_fingerprint(*changed) != same  # type: ignore[arg-type]
