"""A drift check: a query to a host beyond what converge observes, and how its answer is read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mailfleet.agent.evaluate import Deviation

NEEDS_DOCKER = "docker"


@dataclass(frozen=True)
class DriftCheck:
    """All of it is data but `evaluate`, a function of mailfleet.agent.evaluate: a host that has
    that file checks itself in the same way. `commands` are POSIX shell that changes nothing;
    unless each exits 0 there is no answer. Checks with the same command share its answer: it runs
    once."""

    component: str
    name: str
    commands: tuple[str, ...]
    evaluate: Callable[[Any, Sequence[str]], Iterable[Deviation]]
    """`desired` and the lines of output of all commands -> what differs. Pure."""
    desired: Any = None
    """Anything that JSON can hold."""
    needs: str = ""
    """What must run to answer: nothing beyond the host, NEEDS_DOCKER, or `project/service`,
    which must be healthy as well. What is down has a finding of its own."""
    reads: tuple[str, ...] = ()
    """Files of the component that it is about: once one of them differs, a deploy is about to
    settle it."""
    secret: bool = False
    """`desired` is made from a secret: hosts do not get the check."""
