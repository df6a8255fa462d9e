"""First-run steps of Postal: its database schema and the first admin user."""

import base64
import json
import re
from collections.abc import Generator

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation

from mailfleet.converge.plan import forget, observe, observe_fact
from mailfleet.settings.fleet import Fleet
from mailfleet.templates import ROOT

SCHEMA_RECORD = "postal/schema"
"""The version whose schema the database has, among the host's applied records."""

_RUNNER = "docker compose --project-directory /opt/postal run --rm --no-TTY --quiet-pull runner"


def _database_says(fleet: Fleet, kind: str) -> list[str]:
    """Lines of one kind that the database host says of Postal's databases."""
    lines = observe_fact(fleet.database.name, "mariadb", "server")
    return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{kind} ")]


def orphaned_databases(fleet: Fleet, databases: list[str], servers: list[str]) -> list[str]:
    """Message databases that belong to no mail server of the main database. Postal creates a mail
    server by dropping the database of its number first: these would be lost one by one."""
    pattern = re.compile(rf"{re.escape(fleet.postal.database_prefix)}-server-(\d+)\Z")
    return [
        name for name in databases if (match := pattern.match(name)) and match[1] not in servers
    ]


def refuse_orphans(fleet: Fleet) -> None:
    """Raises OperationError where a new schema, or a new mail server, would lead Postal to drop
    message databases of another installation."""
    databases = _database_says(fleet, "database")
    if orphans := orphaned_databases(fleet, databases, _database_says(fleet, "server")):
        raise OperationError(
            f"{fleet.database.name} holds message databases without a mail server in "
            f"`{fleet.postal.database_name}`: {', '.join(orphans)}. Postal would drop them when "
            "mail servers are created. Restore the main database that belongs to them, or move "
            "them away."
        )


@operation()
def database_schema(fleet: Fleet) -> Generator[StringCommand, None, None]:
    """Create Postal's schema where there is none, and bring it up to the version deployed, before
    the processes of that version start.

    + fleet: the fleet that the host belongs to
    """
    if context_state.is_executing and not _database_says(fleet, "version"):
        # No answer must not pass for "no schema".
        yield StringCommand(f"echo 'mailfleet: {fleet.database.name} answers no query' >&2; exit 1")
    version = fleet.postal.version
    exists = bool(_database_says(fleet, "schema"))
    if exists and observe(context_host).applied.get(SCHEMA_RECORD) == version:
        context_host.noop(f"the database schema is that of {version}")
        return
    # Both are harmless where there is nothing to do.
    command = "upgrade" if exists else "initialize"
    record = f"/var/lib/mailfleet/applied/{SCHEMA_RECORD}"
    yield StringCommand(
        f"{_RUNNER} postal {command} && mkdir -p {record.rpartition('/')[0]} && "
        f"echo {version} >{record}"
    )
    forget(context_host)


@operation()
def admin_user(fleet: Fleet) -> Generator[StringCommand, None, None]:
    """Create the first admin user where there is no user with its address. `postal make-user`
    asks questions and succeeds when it failed; Rails' runner takes a script on standard input.

    + fleet: the fleet that the host belongs to
    """
    settings = fleet.postal
    assert settings.admin_email is not None
    known = {address.lower() for address in _database_says(fleet, "user")}
    if settings.admin_email.lower() in known:
        context_host.noop(f"{settings.admin_email} exists")
        return
    values = {
        "email_address": settings.admin_email,
        "first_name": settings.admin_first_name,
        "last_name": settings.admin_last_name,
        "password": fleet.value(settings.admin_password).reveal(),
    }
    encoded = base64.b64encode(json.dumps(values).encode()).decode()
    script = (ROOT / "files/postal/admin-user.rb").read_text(encoding="utf-8")
    yield StringCommand(
        f"{_RUNNER} bundle exec rails runner -", _stdin=f'encoded = "{encoded}"\n{script}'
    )
    forget(context_host)
