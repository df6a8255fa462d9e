"""A look: a question to a host beyond what converge asks, and how its answer is judged."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.drift import judges
from mailfleet.drift.finding import Difference

_BUNDLE = "drift"
_ANSWERED = "answered"

DOCKER = "docker"


@dataclass(frozen=True)
class Look:
    """All of it is data but the judge, which is a function of mailfleet.drift.judges: a host that
    has that file looks at itself in the same way. `commands` are POSIX shell that changes nothing;
    unless each exits 0 there is no answer. Looks with the same command share its answer: it is
    asked once."""

    component: str
    name: str
    commands: tuple[str, ...]
    judge: Callable[[Any, Sequence[str]], Iterable[judges.Found]]
    """`wanted` and the lines of output of all commands -> what differs. Pure."""
    wanted: Any = None
    """What JSON can hold."""
    needs: str = ""
    """What has to run to answer: nothing more than the host, DOCKER, or `project/service`, which
    has to be healthy as well. What is down is a finding of its own."""
    reads: tuple[str, ...] = ()
    """Files of the component that it is about: once one of them differs, a deploy is about to
    settle it."""
    secret: bool = False
    """What is wanted is made from a secret: hosts are not told."""

    def differences(
        self, seen: Observation, differing: Collection[str] = ()
    ) -> Iterator[Difference]:
        """What differs; one of kind `unknown` where the host gave no answer. `differing`: paths of
        files of the component that are not as described."""
        if not _runs(self.needs, seen) or not set(differing).isdisjoint(self.reads):
            return
        lines: list[str] = []
        for command in self.commands:
            said = seen.facts.get(f"{_BUNDLE}/{_key(command)}", ())
            if said[-1:] != (_ANSWERED,):
                yield Difference.of(judges.unknown(self.name, " ".join(said[-1:])))
                return
            lines += said[:-1]
        try:
            found = list(self.judge(self.wanted, lines))
        except Exception as error:
            # An answer that nobody expected must not hide the others.
            found = [judges.unknown(self.name, f"{type(error).__name__}: {error}")]
        yield from map(Difference.of, found)


def _key(command: str) -> str:
    return hashlib.sha256(command.encode()).hexdigest()[:16]


def _runs(needs: str, seen: Observation) -> bool:
    if needs in ("", DOCKER):
        return not needs or docker_runs(seen)
    return any(
        item.healthy and f"{item.project}/{item.service}" == needs for item in seen.containers
    )


def docker_runs(seen: Observation) -> bool:
    """Whether Docker can be asked."""
    return seen.units.get("docker.service", {}).get("ActiveState") == "active"


def who_looks(seen: Observation) -> str:
    """User number that the host was looked at as; empty where it gave no answer at all."""
    return seen.fact(_BUNDLE, "who")


# What a program complains of is no answer: it is kept apart, and told where there is none.
_ASKED = """exec 3>&1
if said=$( ( {command}
) 2>&1 >&3 3>&-); then echo {answered}; else echo "${{said:-nothing}}"; fi"""


def as_bundle(looks: Iterable[Look]) -> Bundle:
    """The looks as facts, so that they travel with what converge asks, in one round trip."""
    return Bundle(
        _BUNDLE,
        facts={
            "who": "id -u",
            **{
                _key(command): _ASKED.format(command=command, answered=_ANSWERED)
                for look in looks
                for command in look.commands
            },
        },
    )
