"""Probes: what healthy means, as shell that runs on the host, and results as values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyinfra.api.facts import FactBase
from typing_extensions import override


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Probe:
    """A question to a host. `command` is POSIX shell; it exits 0 when all is well, 2 for a
    warning and anything else when not; its last line is the finding."""

    name: str
    command: str
    remedy: str
    """One sentence on what to do when it does not hold."""


@dataclass(frozen=True)
class Result:
    """The answer to one probe."""

    host: str
    component: str
    probe: str
    status: Status
    finding: str
    remedy: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.host, f"{self.component}: {self.probe}", self.status.value, self.finding


_STATUS = {"": Status.UNKNOWN, "0": Status.OK, "2": Status.WARN}
_SECONDS = 15


class Answers(FactBase[dict[str, tuple[str, str]]]):
    """Exit status and last line of several commands, run side by side: name -> (status, line)."""

    @override
    def command(self, commands: Mapping[str, str]) -> str:
        lines = ["directory=$(mktemp -d)", "trap 'rm -rf $directory' EXIT"]
        for number, command in enumerate(commands.values()):
            # `timeout` needs a program, so the shell is one; quoting is the here-document's.
            lines += [
                f"cat >$directory/{number}.sh <<'END_OF_PROBE'",
                command,
                "END_OF_PROBE",
                f"( timeout {_SECONDS} sh $directory/{number}.sh >$directory/{number}.out 2>&1 "
                f"</dev/null; echo $? >$directory/{number}.status ) &",
            ]
        lines.append("wait")
        for number, name in enumerate(commands):
            lines += [
                f"printf '%s\\t%s\\t%s\\n' '{name}' \"$(cat $directory/{number}.status)\" "
                f"\"$(tail -n 1 $directory/{number}.out | tr '\\t' ' ')\""
            ]
        return "\n".join(lines)

    @override
    def process(self, output: Sequence[str]) -> dict[str, tuple[str, str]]:
        answers = {}
        for line in output:
            name, status, finding = line.split("\t", 2)
            answers[name] = (status, finding)
        return answers


def results(
    host: str, component: str, probes: Iterable[Probe], answers: Mapping[str, tuple[str, str]]
) -> list[Result]:
    """Answers of one host as results; a probe without an answer is unknown."""
    found = []
    for probe in probes:
        code, finding = answers.get(f"{component}: {probe.name}", ("", "the host did not answer"))
        status = _STATUS.get(code, Status.FAIL)
        if code == "124":
            finding = f"no answer within {_SECONDS} s"
        remedy = "" if status is Status.OK else probe.remedy
        found.append(Result(host, component, probe.name, status, finding or "no output", remedy))
    return found
