"""Every probe of a fleet, all hosts and probes at once."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import gevent
from pyinfra import host as context_host
from pyinfra import logger
from pyinfra import state as context_state
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host as PyinfraHost

from mailfleet.checks.formats import plain
from mailfleet.checks.probe import (
    TOOK,
    Answer,
    Answers,
    AnyProbe,
    ExternalProbe,
    Limit,
    Output,
    Probe,
    result,
    results,
    run_external_probe,
)
from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.checks.terminal import styled
from mailfleet.components.component import Component
from mailfleet.components.registry import SCHEMA
from mailfleet.converge.session import current_fleet
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources
from mailfleet.health.mail import ask_mail
from mailfleet.transport import HostQuery, Unreachable

ProbesByComponent = Mapping[str, Sequence[AnyProbe]]

EXTERNAL_SECONDS = 45
"""For all questions from this machine together; each has a time limit of its own."""
ANSWER_SECONDS = 45.0


def probes_of(
    components: Iterable[Component], fleet: Fleet, name: str, level: Level
) -> dict[str, list[AnyProbe]]:
    """Component -> its probes on one host, up to a level."""
    host = fleet.hosts[name]
    return {
        component.name: [
            probe
            for probe in component.probes(fleet, host)
            if level is not Level.QUICK or probe.level is Level.QUICK
        ]
        for component in components
        if component.probes and component.on(fleet, host)
    }


def commands_of(probes: ProbesByComponent) -> dict[str, str]:
    return {
        f"{component}: {probe.name}": probe.command
        for component, some in probes.items()
        for probe in some
        if isinstance(probe, Probe)
    }


_SSH = "ssh"
_ANSWER = Probe(
    "answer",
    "",
    "the host or the way to it is slow: look at its load, at `UseDNS` of sshd, and at the network",
    limit=Limit(5, 20, " s"),
)
"""Measured here, around what the host is asked."""


@dataclass(frozen=True)
class HealthRun:
    """Every probe of some hosts."""

    probes: Mapping[str, ProbesByComponent]
    """By host."""

    @classmethod
    def of(
        cls,
        components: Iterable[Component],
        fleet: Fleet,
        roles: Collection[str] = (),
        level: Level = Level.FULL,
    ) -> "HealthRun":
        """Of the hosts with one of the roles, or of all."""
        names = [host.name for host in fleet.hosts.values() if not roles or host.has(*roles)]
        return cls({name: probes_of(components, fleet, name, level) for name in names})

    def ask(self, host: PyinfraHost) -> dict[str, Output]:
        """All probes that run on a host, in one round trip."""
        began = time.monotonic()
        outputs = host.get_fact(Answers, commands=commands_of(self.probes[host.name])) or {}
        if TOOK in outputs:
            waited = time.monotonic() - began - float(outputs.pop(TOOK).line) / 1000
            finding = f"{waited:.1f} s more than its own work took"
            outputs[f"{_SSH}: {_ANSWER.name}"] = Output("0", finding, f"measured {waited:.1f}")
        return outputs

    def run_external_probe(self) -> list[CheckResult]:
        """All questions from this machine, at once."""
        questions = [
            (name, component, probe)
            for name, of_host in self.probes.items()
            for component, some in of_host.items()
            for probe in some
            if isinstance(probe, ExternalProbe)
        ]
        jobs = [gevent.spawn(run_external_probe, *question) for question in questions]
        gevent.joinall(jobs, timeout=EXTERNAL_SECONDS)
        late = Answer(Status.UNKNOWN, f"no answer within {EXTERNAL_SECONDS} s")
        found = [
            job.value if job.value is not None else result(*question, late)
            for question, job in zip(questions, jobs, strict=True)
        ]
        gevent.killall(jobs, block=False)
        return found

    def results(
        self,
        answers: Mapping[str, Mapping[str, Output] | Unreachable],
        others: Sequence[CheckResult],
    ) -> list[CheckResult]:
        """What hosts answered and what else was found of them, host by host. Mail passes hosts
        that were not asked, too: what was found of those is at the end."""
        asked = [
            found
            for name, probes in self.probes.items()
            for found in (
                *results_of(name, probes, answers[name]),
                *(one for one in others if one.host == name),
            )
        ]
        return [*asked, *(one for one in others if one.host not in self.probes)]


def ask_fleet(
    components: Iterable[Component],
    inventory: str,
    roles: Collection[str] = (),
    sudo: bool = False,
    level: Level = Level.FULL,
) -> list[CheckResult]:
    """Every probe on every host with one of the roles, or on all. Raises SettingsError, and
    SecretsError with the level `mail`."""
    loaded = load_inventory(inventory)
    fleet = fleet_of(loaded, Sources(inventory), SCHEMA)
    checkup = HealthRun.of(components, fleet, roles, level)
    if not checkup.probes:
        raise SettingsError([Problem(inventory, "", f"no host has the role {' or '.join(roles)}")])
    outside = gevent.spawn(checkup.run_external_probe)
    mail = gevent.spawn(ask_mail, fleet) if level is Level.MAIL else None
    asking = HostQuery(
        loaded, list(checkup.probes), checkup.ask, sudo=sudo, answer_seconds=ANSWER_SECONDS
    )
    answers = asking.run()
    # A greenlet that has finished is false.
    through = [] if mail is None else mail.get()
    return checkup.results(answers, [*outside.get(), *through])


def results_of(
    name: str, probes: ProbesByComponent, answer: Mapping[str, Output] | Unreachable
) -> list[CheckResult]:
    """Results of what was asked on a host. Of one that cannot be asked, every probe is unknown."""
    outputs: Mapping[str, Output] = {} if isinstance(answer, Unreachable) else answer
    found = [
        one for component, some in probes.items() for one in results(name, component, some, outputs)
    ]
    if isinstance(answer, Unreachable):
        login = CheckResult(name, _SSH, "login", Status.UNKNOWN, answer.finding, answer.remedy)
        # What is to be done is to be able to ask.
        return [login, *(replace(one, remedy="", limit="") for one in found)]
    return [*results(name, _SSH, [_ANSWER], outputs), *found]


def health_here(components: Iterable[Component]) -> None:
    """In a deploy: ask the host at hand, print what is not well, and fail where something fails.
    Raises OperationError."""
    name = context_host.name
    probes = probes_of(components, current_fleet(context_state), name, Level.FULL)
    checkup = HealthRun({name: probes})
    found = checkup.results({name: checkup.ask(context_host)}, checkup.run_external_probe())
    for one in found:
        status = styled(one.status, one.status.value)
        remedy = f" -> {one.remedy}" if one.remedy else ""
        logger.info(
            f"{context_host.print_prefix}{status} {one.component}: {one.name}: "
            f"{plain(one.message)}{remedy}"
        )
    if bad := [one for one in found if one.status in (Status.FAIL, Status.UNKNOWN)]:
        names = ", ".join(f"{one.component}: {one.name}" for one in bad)
        raise OperationError(f"{name} is not well: {names}")
