"""The API's password in its database: made with the data, changed with the description."""

from collections.abc import Generator

from pyinfra import host as context_host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.database import native_password_hash, stored_password, told_password
from mailfleet.converge.plan import forget, observe
from mailfleet.secrets import Secret

USER = "email_api"
FACT = "database"
CLIENT = "docker exec -i email-api-database mariadb --user=root --batch --skip-column-names"
LOOK = f'{CLIENT} -e "{stored_password(USER)}" </dev/null 2>/dev/null'


@operation()
def database_password(component: str, password: Secret) -> Generator[StringCommand]:
    """Let the database know the password that the API is about to use.

    + component: the component whose facts hold what the database says
    + password: only its hash is sent, on standard input
    """
    stored = native_password_hash(password)
    told = observe(context_host).facts.get(f"{component}/{FACT}", ())
    # A database that is yet to be made is made with this password.
    if not told or told == (told_password(stored),):
        context_host.noop("the database knows the password")
        return
    statement = f"ALTER USER '{USER}'@'%' IDENTIFIED VIA mysql_native_password USING '{stored}';\n"
    yield StringCommand(CLIENT, _stdin=statement)
    forget(context_host)
