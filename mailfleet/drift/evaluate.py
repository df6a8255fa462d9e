"""Runs drift checks: their commands as facts of one observation, then the evaluation of answers."""

import hashlib
from collections.abc import Collection, Iterable, Iterator

from mailfleet.agent.evaluate import unknown
from mailfleet.checks.drift_check import NEEDS_DOCKER, DriftCheck
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import Difference

_BUNDLE = "drift"
_ANSWERED = "answered"


def differences(
    check: DriftCheck, observed: Observation, differing: Collection[str] = ()
) -> Iterator[Difference]:
    """What differs; one of kind `unknown` where the host gave no answer. `differing`: paths of
    files of the component that differ from the desired ones."""
    if not _runs(check.needs, observed) or not set(differing).isdisjoint(check.reads):
        return
    lines: list[str] = []
    for command in check.commands:
        output = observed.facts.get(f"{_BUNDLE}/{_key(command)}", ())
        if output[-1:] != (_ANSWERED,):
            yield Difference.of(unknown(check.name, " ".join(output[-1:])))
            return
        lines += output[:-1]
    try:
        deviations = list(check.evaluate(check.desired, lines))
    except Exception as error:
        # An unexpected answer must not hide the others.
        deviations = [unknown(check.name, f"{type(error).__name__}: {error}")]
    yield from map(Difference.of, deviations)


def _key(command: str) -> str:
    return hashlib.sha256(command.encode()).hexdigest()[:16]


def _runs(needs: str, observed: Observation) -> bool:
    if needs in ("", NEEDS_DOCKER):
        return not needs or docker_runs(observed)
    return any(
        item.healthy and f"{item.project}/{item.service}" == needs for item in observed.containers
    )


def docker_runs(observed: Observation) -> bool:
    """Whether Docker can be queried."""
    return observed.units.get("docker.service", {}).get("ActiveState") == "active"


def observed_as(observed: Observation) -> str:
    """User ID of the queries; empty where the host gave no answer at all."""
    return observed.fact(_BUNDLE, "who")


# Messages on standard error are kept apart, and reported only where there is no answer.
_QUERY = """exec 3>&1
if message=$( ( {command}
) 2>&1 >&3 3>&-); then echo {answered}; else echo "${{message:-nothing}}"; fi"""


def as_bundle(checks: Iterable[DriftCheck]) -> Bundle:
    """The commands of drift checks as facts, so that they travel with what converge observes,
    in one round trip."""
    return Bundle(
        _BUNDLE,
        facts={
            "who": "id -u",
            **{
                _key(command): _QUERY.format(command=command, answered=_ANSWERED)
                for check in checks
                for command in check.commands
            },
        },
    )
