"""First-run steps of Postal: its database schema and the first admin user."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Generator

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation

from mailfleet.components.mariadb.settings import database_host
from mailfleet.components.postal.bundle import NAME
from mailfleet.components.postal.database import DATABASE
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.plan import forget, observe, observe_fact
from mailfleet.converge.shell import script
from mailfleet.fleet.fleet import Fleet
from mailfleet.templates import ROOT

SCHEMA_RECORD = "schema"
"""The version whose schema the database has, among the host's applied records."""


def admin_record(address: str) -> str:
    """Name of the record of a user that was created; an address is no file name."""
    return f"admin-{hashlib.sha256(address.encode()).hexdigest()[:16]}"


_RUNNER = "docker compose --project-directory /opt/postal run --rm --no-TTY --quiet-pull runner"


def _database_says(fleet: Fleet, kind: str) -> list[str]:
    """Lines of one kind that the database host reports of Postal's databases."""
    lines = observe_fact(database_host(fleet).name, NAME, DATABASE)
    return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{kind} ")]


def _record(name: str) -> str | None:
    return observe(context_host).applied.get(f"postal/{name}")


def orphaned_databases(fleet: Fleet, databases: list[str], servers: list[str]) -> list[str]:
    """Message databases that belong to no mail server of the main database. Postal creates a mail
    server by dropping the database of its number first: these would be lost one by one."""
    pattern = re.compile(rf"{re.escape(fleet[PostalSettings].database_prefix)}-server-(\d+)\Z")
    return [
        name for name in databases if (match := pattern.match(name)) and match[1] not in servers
    ]


def orphans_found(fleet: Fleet) -> str:
    """What speaks against a new schema or a new mail server: Postal would drop message databases
    of another installation. Empty where there are none."""
    databases = _database_says(fleet, "database")
    orphans = orphaned_databases(fleet, databases, _database_says(fleet, "server"))
    if not orphans:
        return ""
    return (
        f"{database_host(fleet).name} holds message databases without a mail server in "
        f"`{fleet[PostalSettings].database_name}`: {', '.join(orphans)}. Postal would drop them "
        "when mail servers are created. Restore the main database that belongs to them, or move "
        "them away."
    )


def refuse_orphans(fleet: Fleet) -> None:
    """Raises OperationError where message databases would be lost."""
    if found := orphans_found(fleet):
        raise OperationError(found)


def _fail(message: str) -> StringCommand:
    return StringCommand(f"echo {shlex.quote(f'mailfleet: {message}')} >&2; exit 1")


def _is_unknown(fleet: Fleet) -> bool:
    """Whether the database was down while the run was prepared. It is queried again once it
    runs; until then the records count."""
    return not context_state.is_executing and not _database_says(fleet, "version")


@operation()
def database_schema(fleet: Fleet) -> Generator[StringCommand, None, None]:
    """Create Postal's schema where there is none, and bring it up to the version deployed, before
    the processes of that version start.

    + fleet: the fleet that the host belongs to
    """
    if context_state.is_executing:
        # No answer must not pass for "no schema". And what was down while the run was prepared
        # may hold databases that are not known yet.
        if not _database_says(fleet, "version"):
            yield _fail(f"{database_host(fleet).name} answers no query")
            return
        if found := orphans_found(fleet):
            yield _fail(found)
            return
    version = fleet[PostalSettings].version
    exists = bool(_database_says(fleet, "schema"))
    if (exists or _is_unknown(fleet)) and _record(SCHEMA_RECORD) == version:
        context_host.noop(f"the database schema is that of {version}")
        return
    # Both are harmless where there is nothing to do.
    command = "upgrade" if exists else "initialize"
    yield StringCommand(
        script(
            "follow",
            "postal",
            "database schema",
            [f"{_RUNNER} postal {command}", shlex.join(["record", SCHEMA_RECORD, version])],
        )
    )
    forget(context_host)


@operation()
def admin_user(fleet: Fleet) -> Generator[StringCommand, None, None]:
    """Create the first admin user where there is no user with its address. `postal make-user`
    is interactive and exits 0 when it failed; Rails' runner takes a script on standard input.

    + fleet: the fleet that the host belongs to
    """
    settings = fleet[PostalSettings]
    assert settings.admin_email is not None
    address = settings.admin_email.lower()
    record = admin_record(address)
    known = address in {user.lower() for user in _database_says(fleet, "user")}
    if known or (_is_unknown(fleet) and _record(record) == "created"):
        context_host.noop(f"{settings.admin_email} exists")
        return
    values = {
        "email_address": settings.admin_email,
        "first_name": settings.admin_first_name,
        "last_name": settings.admin_last_name,
        "password": fleet.value(settings.admin_password).reveal(),
    }
    encoded = base64.b64encode(json.dumps(values).encode()).decode()
    ruby = (ROOT / "files/postal/admin-user.rb").read_text(encoding="utf-8")
    yield StringCommand(
        script(
            "follow",
            "postal",
            "first admin user",
            [f"{_RUNNER} bundle exec rails runner -", f"record {record} created"],
        ),
        _stdin=f'encoded = "{encoded}"\n{ruby}',
    )
    forget(context_host)
