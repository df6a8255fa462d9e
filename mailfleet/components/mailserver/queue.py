"""Postfix's queue inside the mailserver's container, by postqueue(1) and postsuper(1)."""

import json
from collections.abc import Iterator, Sequence

from mailfleet.checks.queue import Action, QueuedMessage

LOOK = "docker exec mailserver postqueue -j"

_OPTIONS = {"hold": "-h", "release": "-H", "delete": "-d"}


def parse(host: str, output: str) -> Iterator[QueuedMessage]:
    """Entries of `postqueue -j`: one JSON object a line."""
    # Not `splitlines`: an answer may hold U+2028, which JSON does not escape.
    for line in filter(None, output.split("\n")):
        entry = json.loads(line)
        recipients = entry["recipients"]
        reasons = [one["delay_reason"] for one in recipients if "delay_reason" in one]
        yield QueuedMessage(
            host=host,
            program="Postfix",
            id=entry["queue_id"],
            arrived=entry["arrival_time"],
            state="held" if entry["queue_name"] == "hold" else entry["queue_name"],
            sender=entry["sender"],
            recipients=tuple(one["address"] for one in recipients),
            reason=reasons[0] if reasons else "",
        )


def act(action: Action, entries: Sequence[QueuedMessage]) -> str:
    """Shell that does it, to these entries and no others: what came since stays as it is."""
    ids = "".join(f"{entry.id}\n" for entry in entries)
    if action == "flush":
        command = "while read -r id; do postqueue -i $id; done"
    else:
        # A name that is gone by now, because it was delivered, is no error.
        command = f"postsuper {_OPTIONS[action]} -"
    return f"docker exec -i mailserver sh -c '{command}' <<'END'\n{ids}END"
