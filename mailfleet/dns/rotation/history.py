"""The findings of the last check of an inventory, kept to print what changed."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from mailfleet.dns.finding import Finding, Verdict


class _Last(BaseModel):
    version: Annotated[int, Field(ge=1, le=1)] = 1
    at: datetime
    faults: dict[str, str]
    """What was not well: `name type check` -> verdict and what was seen."""


def history_file(inventory: str) -> Path:
    """Where the last run of an inventory is kept: $XDG_STATE_HOME/mailfleet, by its path."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    slug = re.sub(r"[^A-Za-z0-9]+", "-", str(Path(inventory).resolve())).strip("-")
    return Path(home) / "mailfleet" / f"dns-{slug[-150:]}.json"


def changes_since_last(file: Path, findings: Iterable[Finding]) -> Iterator[str]:
    """Lines on what is new and what is gone since the run that the file holds; then the file holds
    this one. A file that cannot be read or written is no reason to fail."""
    faults: dict[str, str] = {}
    for one in (one for one in findings if one.verdict is not Verdict.OK):
        key, shown = f"{one.name} {one.type} {one.check}", f"{one.verdict}: {one.found}"
        # A check may find more than one thing.
        faults[key] = f"{faults[key]}; {shown}" if key in faults else shown
    with suppress(OSError, ValidationError):
        last = _Last.model_validate_json(file.read_bytes())
        lines = list(_differences(last.faults, faults))
        yield f"since {last.at:%Y-%m-%d %H:%M} UTC: {'no changes' if not lines else ''}".strip()
        yield from lines
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"version": 1, "at": datetime.now(UTC).isoformat(), "faults": faults}
        with file.open("w", encoding="utf-8") as text:
            json.dump(content, text, indent=1)


def _differences(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for key, seen in now.items():
        if key not in before:
            yield f"  new     {key} {seen}"
        elif before[key] != seen:
            yield f"  changed {key} {seen}"
    yield from (f"  fixed   {key}" for key in before if key not in now)
