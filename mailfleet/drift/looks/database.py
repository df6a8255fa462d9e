"""MariaDB's settings in force, and the rights of Postal's user, beyond what files say: from what
the server says to converge's own question."""

from collections.abc import Iterator, Mapping, Sequence

from mailfleet.components import mariadb
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import DEPLOY, Difference, Kind
from mailfleet.drift.look import container_runs
from mailfleet.settings.fleet import Fleet

_runs = container_runs("mariadb", "mariadb")

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def in_force(fleet: Fleet, bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    """What differs on a server that runs; of one that does not answer nothing is known."""
    if not _runs(seen):
        return
    lines = seen.facts.get(f"{mariadb.NAME}/server", ())
    if not any(line.startswith("version ") for line in lines):
        remedy = "read `docker logs mariadb`"
        yield Difference(Kind.UNKNOWN, "database server", "an answer", "nothing", remedy)
        return
    for item in bundle.files:
        if item.path.endswith(".cnf"):
            yield from variables(lines, mariadb.described_variables(item.content))
    yield from rights(fleet, lines)


def variables(lines: Sequence[str], wanted: Mapping[str, str]) -> Iterator[Difference]:
    """Lines `variable<tab>NAME<tab>VALUE` in force, against those of the option file."""
    rows = (line.split("\t", 2)[1:] for line in lines if line.startswith("variable\t"))
    known = {row[0]: row[1] for row in rows}
    for name, value in wanted.items():
        seen = known.get(name, "unknown to the server")
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


def rights(fleet: Fleet, lines: Sequence[str]) -> Iterator[Difference]:
    """Postal's user and schema."""
    settings = fleet.postal
    user = f"{settings.database_user}@%"
    stored = native_password_hash(fleet.value(settings.database_password))
    passwords = [line for line in lines if line.startswith("password ")]
    if not passwords:
        yield Difference(Kind.GRANT, user, "a database user", "absent", DEPLOY)
        return
    if passwords != [told_password(stored)]:
        yield Difference(Kind.GRANT, user, "the described password", "another one", DEPLOY)
    granted = mariadb.granted(lines)
    scopes = mariadb.grants(settings.database_name, settings.database_prefix)
    wanted = mariadb.wanted_rights(scopes)
    for privileges, scope in sorted(wanted - granted):
        yield Difference(Kind.GRANT, user, f"{privileges} on {scope}", "not granted", DEPLOY)
    for privileges, scope in sorted(granted - wanted):
        yield Difference(Kind.GRANT, user, "not granted", f"{privileges} on {scope}", DEPLOY)
    if not any(line.startswith("schema ") and line != "schema NULL" for line in lines):
        name = settings.database_name
        yield Difference(Kind.SCHEMA, name, "Postal's tables", "none", DEPLOY)
