"""The API's aliases: set to those of the settings, all at once."""

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence

from pyinfra import host as context_host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.plan import forget, observe

CLIENT = "docker exec -i email-api python -m email_api aliases"
FACT = "aliases"


def digest(desired: Mapping[str, Sequence[str]]) -> str:
    """As the API makes it of what it has (files/email-api/email_api/store.py)."""
    rows = sorted([alias, sorted(mailboxes), True] for alias, mailboxes in desired.items())
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


@operation()
def aliases(component: str, desired: Mapping[str, Sequence[str]]) -> Generator[StringCommand]:
    """Make these the aliases of the API, and no others.

    + component: the component whose facts hold the digest of the aliases there are
    + desired: alias -> mailboxes
    """
    if observe(context_host).facts.get(f"{component}/{FACT}", ()) == (digest(desired),):
        context_host.noop(f"{len(desired)} aliases are in sync")
        return
    entries = [
        {"address": name, "mailboxes": list(mailboxes)} for name, mailboxes in desired.items()
    ]
    # The token stays in the container; so do the addresses of people, off the process list.
    yield StringCommand(f"{CLIENT} put >/dev/null", _stdin=json.dumps({"aliases": entries}))
    forget(context_host)
