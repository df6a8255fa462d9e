"""Dates of events, kept in the project directory: rotations take weeks and several operators."""

import json
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError

_DATES = TypeAdapter(dict[str, AwareDatetime])


class UnreadableDatesError(Exception):
    """Not a file that `save` wrote."""


class Dates:
    """Event -> when it was first seen."""

    def __init__(self, known: dict[str, datetime] | None = None) -> None:
        self._known = known or {}
        self._used: set[str] = set()

    def since(self, event: str, now: datetime) -> datetime:
        """When the event was first seen, which is now if never before."""
        self._used.add(event)
        return self._known.setdefault(event, now)

    @classmethod
    def load(cls, file: Path) -> "Dates":
        """Raises OSError and UnreadableDatesError; a file that is not there has no dates."""
        if not file.exists():
            return cls()
        try:
            return cls(_DATES.validate_json(file.read_bytes()))
        except ValidationError:
            raise UnreadableDatesError(
                f"{file}: not a file of dates; take it from version control, or remove it: waiting "
                "then begins again"
            ) from None

    def save(self, file: Path) -> None:
        """Keep the dates of events that were asked for; others are over. Raises OSError that names
        the file: Python's own names none where the disk is full."""
        kept = {event: self._known[event].isoformat() for event in sorted(self._used)}
        if not kept and not file.exists():
            return
        new = file.with_name(f"{file.name}.new")
        try:
            new.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            new.replace(file)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(file)) from None

    @property
    def events(self) -> Collection[str]:
        return self._known.keys()
