"""Mail that waits: what every queue of the fleet has in common."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["flush", "hold", "release", "delete"]
ACTIONS: tuple[Action, ...] = ("flush", "hold", "release", "delete")


@dataclass(frozen=True)
class QueuedMessage:
    """One message in one queue."""

    host: str
    program: str
    id: str
    arrived: int
    """Unix time."""
    state: str
    """`active`, `deferred`, `held` and the like."""
    sender: str
    recipients: tuple[str, ...]
    reason: str
    """Why the last try failed; empty before the first."""

    @property
    def held(self) -> bool:
        return self.state == "held"


@dataclass(frozen=True)
class Summary:
    """A queue in one line."""

    count: int
    held: int
    oldest_seconds: int
    reasons: tuple[tuple[str, int], ...]
    """The most frequent ones first."""

    @property
    def oldest(self) -> str:
        """How long the oldest one has waited, in the largest unit that fits."""
        for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
            if self.oldest_seconds >= size:
                return f"{self.oldest_seconds // size} {unit}"
        return f"{self.oldest_seconds} s"


def summary(waiting: Sequence[QueuedMessage], now: float | None = None) -> Summary:
    moment = time.time() if now is None else now
    oldest = min((entry.arrived for entry in waiting), default=int(moment))
    reasons = Counter(entry.reason for entry in waiting if entry.reason)
    return Summary(
        len(waiting),
        sum(entry.held for entry in waiting),
        max(0, int(moment - oldest)),
        tuple(reasons.most_common()),
    )


def concerned(waiting: Sequence[QueuedMessage], action: Action) -> list[QueuedMessage]:
    """Those on which an action has an effect: what is held is neither tried nor held again."""
    if action == "delete":
        return list(waiting)
    return [entry for entry in waiting if entry.held == (action == "release")]
