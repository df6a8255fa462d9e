"""Postal's user in MariaDB, and what the server reports of Postal's databases."""

import hashlib
import hmac
import shlex
from collections.abc import Generator, Iterable

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.agent.evaluate import granted
from mailfleet.components.mariadb.settings import CLIENT, query_facts
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.database import (
    native_password_hash,
    stored_password,
    told_password,
)
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.shell import script
from mailfleet.secrets import Secret

DATABASE = "database"
"""Fact on the database host: Postal's user and databases as the server reports them."""

USER_RECORD = "postal-user"
"""What the database user was last made from, among the host's applied records."""


def database_facts(settings: PostalSettings) -> str:
    """Shell that prints Postal's user and databases as the server reports them."""
    user, database, prefix = (
        settings.database_user,
        settings.database_name,
        settings.database_prefix,
    )
    return query_facts(
        stored_password(user),
        f"SHOW GRANTS FOR '{user}'@'%'",
        "SELECT CONCAT('database ', schema_name) FROM information_schema.schemata "
        f"WHERE schema_name = '{database}' OR schema_name LIKE '{prefix}-server-%'",
        f"SELECT CONCAT('schema ', MAX(version)) FROM `{database}`.schema_migrations",
        f"SELECT CONCAT('server ', id) FROM `{database}`.servers",
        f"SELECT CONCAT('user ', email_address) FROM `{database}`.users",
    )


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
    observed = observe(context_host)
    lines = observed.facts.get(f"postal/{DATABASE}", ())
    if _user_is_right(lines, stored, scopes):
        context_host.noop(f"database user {user} is in sync")
        return
    # A server that is down reports no users. It is queried again once it runs.
    was_made = observed.applied.get(f"postal/{USER_RECORD}") == fingerprint
    if was_made and not lines and not context_state.is_executing:
        context_host.noop(f"database user {user} was created from the same settings")
        return
    record = shlex.join(["record", USER_RECORD, fingerprint])
    yield StringCommand(
        script("follow", "postal", "database user", [CLIENT, record]),
        _stdin=_user_sql(user, stored, scopes),
    )
    forget(context_host)


def _user_is_right(lines: tuple[str, ...], stored: str, scopes: tuple[str, ...]) -> bool:
    return told_password(stored) in lines and granted(lines) == desired_rights(scopes)


def desired_rights(scopes: Iterable[str]) -> set[tuple[str, str]]:
    """As `granted` returns them."""
    return {("ALL PRIVILEGES", scope) for scope in scopes}
