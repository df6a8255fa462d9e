"""A look: a question to a host beyond what converge asks, and how its answer is judged."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import Difference, Kind

_BUNDLE = "drift"
_ANSWERED = "answered"


def _always(seen: Observation) -> bool:
    return True


@dataclass(frozen=True)
class Look:
    """`command` is POSIX shell that changes nothing; unless it exits 0 there is no answer. Looks
    with the same command share its answer: it is asked once."""

    component: str
    name: str
    command: str
    judge: Callable[[Sequence[str]], Iterable[Difference]]
    """Lines of output -> what differs. Pure."""
    applies: Callable[[Observation], bool] = _always
    """Whether what is asked is there to answer; what is down is a finding of its own."""

    @property
    def _key(self) -> str:
        return hashlib.sha256(self.command.encode()).hexdigest()[:16]

    def differences(self, seen: Observation) -> Iterator[Difference]:
        """What differs; one of kind `unknown` where the host gave no answer."""
        if not self.applies(seen):
            return
        lines = seen.facts.get(f"{_BUNDLE}/{self._key}", ())
        if lines[-1:] == (_ANSWERED,):
            yield from self.judge(lines[:-1])
        else:
            said = " ".join(lines[-1:]) or "nothing"
            yield Difference(
                Kind.UNKNOWN, self.name, "an answer", said, "look on the host why it cannot tell"
            )


def who_looks(seen: Observation) -> str:
    """User number that the host was looked at as; empty where it gave no answer at all."""
    return seen.fact(_BUNDLE, "who")


# What a program complains of is no answer: it is kept apart, and told where there is none.
_ASKED = """exec 3>&1
if said=$( ( {command}
) 2>&1 >&3 3>&-); then echo {answered}; else echo "$said"; fi"""


def as_bundle(looks: Iterable[Look]) -> Bundle:
    """The looks as facts, so that they travel with what converge asks, in one round trip."""
    return Bundle(
        _BUNDLE,
        facts={
            "who": "id -u",
            **{
                look._key: _ASKED.format(command=look.command, answered=_ANSWERED) for look in looks
            },
        },
    )


def docker_runs(seen: Observation) -> bool:
    """Whether Docker can be asked."""
    return seen.units.get("docker.service", {}).get("ActiveState") == "active"


def container_runs(project: str, service: str) -> Callable[[Observation], bool]:
    """Whether a service of a compose project is up and healthy."""

    def runs(seen: Observation) -> bool:
        return any(
            item.healthy and (item.project, item.service) == (project, service)
            for item in seen.containers
        )

    return runs
