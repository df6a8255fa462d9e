"""Postal's queue: the table queued_messages of its main database. The messages themselves and why
they wait are in the database of each mail server."""

import json
from collections.abc import Iterator, Sequence

from mailfleet.checks.queue import Action, QueuedMessage
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.templates import render_script

_CLIENT = "docker exec -i mariadb mariadb --user=root --batch --skip-column-names --raw"
_HELD = "9999-12-31 00:00:00"
"""`retry_after` of a held entry: workers take what is NULL or in the past."""


def look(settings: PostalSettings) -> str:
    """Shell that prints one JSON object for each entry."""
    return render_script(
        "postal/queue.sh",
        CLIENT=_CLIENT,
        DATABASE=settings.database_name,
        PREFIX=settings.database_prefix,
        HELD=_HELD,
    )


def parse(host: str, output: str) -> Iterator[QueuedMessage]:
    """Entries of `look`."""
    # Not `splitlines`: output may hold U+2028, which JSON does not escape.
    for line in filter(None, output.split("\n")):
        entry = json.loads(line)
        state = "deferred" if entry["attempts"] else "active"
        yield QueuedMessage(
            host=host,
            program="Postal",
            id=str(entry["id"]),
            arrived=int(float(entry["arrived"])),
            state="held" if entry["held"] else "active" if entry["locked"] else state,
            sender=entry["sender"] or "",
            recipients=(entry["recipient"] or "",),
            reason=entry["reason"] or "",
        )


def act(settings: PostalSettings, action: Action, entries: Sequence[QueuedMessage]) -> str:
    """Shell that applies the action. Entries that a worker has locked are left to it."""
    ids = ", ".join(str(int(entry.id)) for entry in entries)
    queue = f"`{settings.database_name}`.queued_messages"
    where = f"WHERE id IN ({ids}) AND locked_by IS NULL"
    statement = {
        "flush": f"UPDATE {queue} SET retry_after = NULL {where}",
        "hold": f"UPDATE {queue} SET retry_after = '{_HELD}' {where}",
        "release": f"UPDATE {queue} SET retry_after = NULL {where}",
        "delete": f"DELETE FROM {queue} {where}",
    }[action]
    return f"{_CLIENT} <<'END'\n{statement};\nEND"
