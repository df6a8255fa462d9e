"""MariaDB's settings in force, and the rights of Postal's user, beyond what files say."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from mailfleet.components import mariadb
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import DEPLOY, Difference, Kind
from mailfleet.drift.look import Look, container_runs
from mailfleet.settings.fleet import Fleet, Host

_runs = container_runs("mariadb", "mariadb")

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_SETTING = re.compile(r"^([a-z_]+) = (.+)$", re.MULTILINE)


def looks(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    for item in bundles[mariadb.NAME].files if mariadb.NAME in bundles else ():
        if item.path.endswith(".cnf"):
            wanted = dict(_SETTING.findall(item.content.decode()))
            names = ", ".join(f"'{name}'" for name in wanted)
            query = (
                "SELECT LOWER(variable_name), global_value FROM "
                f"information_schema.system_variables WHERE variable_name IN ({names})"
            )
            yield Look(
                mariadb.NAME,
                "variables",
                f'{mariadb.CLIENT} -e "{query}" </dev/null',
                partial(variables, wanted=wanted),
                applies=_runs,
            )


def variables(lines: Sequence[str], wanted: Mapping[str, str]) -> Iterator[Difference]:
    """`<name><tab><value>` in force, against `name = value` of the option file."""
    in_force = dict(line.split("\t", 1) for line in lines if "\t" in line)
    for name, value in wanted.items():
        seen = in_force.get(name, "unknown to the server")
        # log_bin takes a file name, and tells whether it is on.
        expected = "ON" if name == "log_bin" else value
        if _plain(seen) != _plain(expected):
            remedy = f"`docker restart mariadb`, or `SET GLOBAL {name}` where that can be done"
            yield Difference(Kind.VARIABLE, name, expected, seen, remedy)


def _plain(value: str) -> str:
    """Sizes in bytes, switches as 0 and 1."""
    value = value.strip().upper()
    if value[:-1].isdigit() and value[-1] in _UNITS:
        return str(int(value[:-1]) * _UNITS[value[-1]])
    return {"ON": "1", "OFF": "0"}.get(value, value)


def rights(fleet: Fleet, seen: Observation) -> Iterator[Difference]:
    """Postal's user and schema, from what the database server said to converge's own question."""
    if not _runs(seen):
        return
    settings = fleet.postal
    lines = seen.facts.get(f"{mariadb.NAME}/server", ())
    user = f"{settings.database_user}@%"
    stored = native_password_hash(fleet.value(settings.database_password))
    passwords = [line for line in lines if line.startswith("password ")]
    if not passwords:
        yield Difference(Kind.GRANT, user, "a database user", "absent", DEPLOY)
        return
    if passwords != [told_password(stored)]:
        yield Difference(Kind.GRANT, user, "the described password", "another one", DEPLOY)
    granted = set(_granted(lines))
    wanted = {
        ("ALL PRIVILEGES", scope)
        for scope in mariadb.grants(settings.database_name, settings.database_prefix)
    }
    for privileges, scope in sorted(wanted - granted):
        yield Difference(Kind.GRANT, user, f"{privileges} on {scope}", "not granted", DEPLOY)
    for privileges, scope in sorted(granted - wanted):
        yield Difference(Kind.GRANT, user, "not granted", f"{privileges} on {scope}", DEPLOY)
    if not any(line.startswith("schema ") and line != "schema NULL" for line in lines):
        name = settings.database_name
        yield Difference(Kind.SCHEMA, name, "Postal's tables", "none", DEPLOY)


_GRANT = re.compile(r"GRANT (.+) ON (\S+) TO ")


def _granted(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _GRANT.match(line)
        # USAGE is no right: it says that the user exists.
        if match and match[1] != "USAGE":
            yield match[1], match[2]
