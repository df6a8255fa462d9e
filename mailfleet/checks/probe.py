"""Probes: what healthy means, as questions to a host or from this machine; results as values."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf

from pyinfra.api.facts import FactBase
from typing_extensions import override

from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.checks.run_parallel import UTF_8_ONLY, run_parallel


@dataclass(frozen=True)
class Limit:
    """How far a measured value may go. Where `fail` is below `warn`, less is worse."""

    warn: float
    fail: float
    unit: str = ""

    def status(self, value: float) -> Status:
        sign = -1 if self.fail < self.warn else 1
        if value * sign >= self.fail * sign:
            return Status.FAIL
        return Status.WARN if value * sign >= self.warn * sign else Status.OK

    def __str__(self) -> str:
        word = "at most" if self.fail < self.warn else "from"
        warns = f"warns {word} {self.warn:g}{self.unit}"
        # Infinite: it never fails.
        return warns if isinf(self.fail) else f"{warns}, fails {word} {self.fail:g}{self.unit}"


@dataclass(frozen=True)
class Probe:
    """A question to a host. `command` is POSIX shell that changes nothing; it exits 0 when all is
    well, 80 for a warning and anything else when not; its last line is the finding. With a `limit`
    it also prints a line `measured NUMBER`, which decides."""

    name: str
    command: str
    remedy: str
    """One sentence on what to do when it does not hold."""
    level: Level = Level.QUICK
    limit: Limit | None = None
    gate_exempt: str = ""
    """Why it can fail although the component's deploy did nothing wrong: it tells of another
    component, of other hosts, or of what only time brings. Then it never rolls one back."""

    @property
    def is_gate(self) -> bool:
        """Whether a deploy that changed the component ends with this. What is measured, such as
        load or a queue's length, says nothing about a change."""
        return self.level is Level.QUICK and self.limit is None and not self.gate_exempt


@dataclass(frozen=True)
class Answer:
    """What came of a question: status, finding, and the value measured, if any."""

    status: Status
    finding: str
    value: float | None = None


@dataclass(frozen=True)
class ExternalProbe:
    """A question from this machine, as another machine would ask it."""

    name: str
    ask: Callable[[], Answer]
    """Raises OSError where nobody answers."""
    remedy: str
    level: Level = Level.FULL
    limit: Limit | None = None


AnyProbe = Probe | ExternalProbe


# A warning is a status that no shell or program exits with by itself, as they do with 2.
_STATUS = {"": Status.UNKNOWN, "0": Status.OK, "80": Status.WARN}
SECONDS = 15
"""For one command on a host."""
_MEASURED = re.compile(r"measured (-?[0-9.]+)\Z")


@dataclass(frozen=True)
class Output:
    """What a command said: exit status, last line, and what it measured."""

    code: str
    line: str
    measured: str = ""


TOOK = "took"
"""The name among a host's outputs under which it tells how long its own work took."""


class Answers(FactBase[dict[str, Output]]):
    """Several commands, run side by side: name -> output."""

    @override
    def command(self, commands: Mapping[str, str]) -> str:
        lines = ["(", "began=$(date +%s%N)", *run_parallel(commands.values(), SECONDS)]
        for number, name in enumerate(commands):
            out = f"$directory/{number}.out"
            lines += [
                f"printf '%s\\t%s\\t%s\\t%s\\n' '{name}' \"$(cat $directory/{number}.status)\" "
                f"\"$(grep -ax 'measured [-0-9.]*' {out} | tail -n 1)\" "
                f"\"$(grep -avx 'measured [-0-9.]*' {out} | tail -n 1 | tr '\\t' ' ')\""
            ]
        took = "$((($(date +%s%N) - began) / 1000000))"
        lines.append(f"printf '%s\\t0\\t\\t%s\\n' {TOOK} {took}")
        return "\n".join([*lines, f") | {UTF_8_ONLY}"])

    @override
    def process(self, output: Sequence[str]) -> dict[str, Output]:
        # Other lines are what a shell's start-up files print.
        lines = (line.split("\t", 3) for line in output if line.count("\t") >= 3)
        return {name: Output(code, finding, measured) for name, code, measured, finding in lines}


def _judged(probe: Probe, output: Output | None) -> Answer:
    if output is None:
        return Answer(Status.UNKNOWN, "the host did not answer")
    if output.code == "124":
        return Answer(Status.FAIL, f"no answer within {SECONDS} s")
    status = _STATUS.get(output.code, Status.FAIL)
    finding = output.line or "no output"
    if probe.limit is None or status is Status.FAIL:
        return Answer(status, finding)
    measured = _MEASURED.match(output.measured)
    if measured is None:
        return Answer(Status.UNKNOWN, f"measured nothing: {finding}")
    value = float(measured[1])
    return Answer(probe.limit.status(value), finding, value)


def result(host: str, component: str, probe: AnyProbe, answer: Answer) -> CheckResult:
    """An answer with its question; what is well needs no remedy."""
    remedy = "" if answer.status is Status.OK else probe.remedy
    limit = str(probe.limit) if probe.limit else ""
    return CheckResult(
        host,
        component,
        probe.name,
        answer.status,
        answer.finding,
        remedy,
        answer.value,
        limit,
        probe.level,
    )


def results(
    host: str, component: str, probes: Iterable[AnyProbe], outputs: Mapping[str, Output]
) -> list[CheckResult]:
    """Outputs of one host as results; a probe without one is unknown."""
    return [
        result(host, component, probe, _judged(probe, outputs.get(f"{component}: {probe.name}")))
        for probe in probes
        if isinstance(probe, Probe)
    ]


def one_line(error: Exception) -> str:
    """What an error says, or at least what it is."""
    return " ".join(str(error).split()) or type(error).__name__


def run_external_probe(host: str, component: str, probe: ExternalProbe) -> CheckResult:
    """Ask one question from this machine."""
    try:
        answer = probe.ask()
    except (OSError, EOFError) as error:
        answer = Answer(Status.FAIL, one_line(error))
    return result(host, component, probe, answer)
