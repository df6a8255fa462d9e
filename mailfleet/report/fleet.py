"""Everything that the page shows of a fleet, and how it is asked."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import gevent
from pyinfra.api.host import Host as PyinfraHost

from mailfleet.checks import probe, sections
from mailfleet.checks.probe import Output
from mailfleet.checks.result import CheckResult, Status
from mailfleet.checks.sections import Section, Sections
from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.converge import observe
from mailfleet.deploying.records import desired_records
from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks, servers_of
from mailfleet.dns.finding import Finding as DnsFinding
from mailfleet.dns.finding import Verdict
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.settings import DnsSettings
from mailfleet.drift.compare import compare, comparisons_of, report_of
from mailfleet.drift.finding import Finding, Report
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources
from mailfleet.health.fleet import HealthRun
from mailfleet.report import html
from mailfleet.report.host import HostStatus, questions, status_of
from mailfleet.report.newer import newer_versions
from mailfleet.transport import HostQuery, Unreachable

_DNS_SECONDS = 30.0
_REST_SECONDS = 30.0
"""For the way to a host, and for the contents of files that differ."""
# A host is asked one thing after the other, and of one that hangs each takes its time.
_ANSWER_SECONDS = sections.SECONDS + observe.ANSWER_SECONDS + probe.SECONDS + _REST_SECONDS
_WORST = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.OK)
_OF_CERTIFICATES = re.compile(r"certificate|chain of |STARTTLS")


@dataclass(frozen=True)
class FleetStatus:
    """A fleet at one moment."""

    inventory: str
    at: str
    """ISO 8601, UTC."""
    hosts: tuple[HostStatus, ...]
    health: tuple[CheckResult, ...]
    drift: Report
    dns: tuple[DnsFinding, ...]
    dns_error: str = ""
    newer: Mapping[str, str] = field(default_factory=dict)
    """Image -> a newer tag than its own."""

    @property
    def unwell(self) -> list[CheckResult]:
        """What is not well, the worst first."""
        found = [one for one in self.health if one.status is not Status.OK]
        return sorted(found, key=lambda one: _WORST.index(one.status))

    @property
    def dns_unwell(self) -> list[DnsFinding]:
        """What does not hold, the worst first; what is merely worth knowing is left out."""
        order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)
        found = [one for one in self.dns if one.verdict in order]
        return sorted(found, key=lambda one: order.index(one.verdict))

    @property
    def certificates(self) -> list[CheckResult]:
        return [one for one in self.health if _OF_CERTIFICATES.match(one.name)]

    @property
    def waiting(self) -> int:
        """Messages in all queues that could be asked."""
        return sum(
            queue.summary.count for host in self.hosts for queue in host.queues if queue.summary
        )

    def components(self, host: str) -> dict[str, Status]:
        """Component -> the worst that a probe found of it there."""
        found: dict[str, Status] = {}
        for one in self.health:
            if one.host == host:
                worst = (found.get(one.component, Status.OK), one.status)
                found[one.component] = min(worst, key=_WORST.index)
        return found

    @property
    def counts(self) -> Counter[str]:
        """Status -> how many probes have it."""
        return Counter(one.status.value for one in self.health)

    @property
    def statuses(self) -> Iterator[Status]:
        """Of everything on the page."""
        yield from (one.status for one in (*self.health, *self.drift.results))
        yield from (
            Status(one.verdict.value) for one in self.dns_unwell if one.blocks(strict=False)
        )
        if self.dns_error:
            yield Status.UNKNOWN

    @property
    def well(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.unwell or self.drift.exit_code or self.dns_unwell or self.dns_error)

    def page(self) -> str:
        return html.page("fleet", fleet=self)


@dataclass(frozen=True)
class _Told:
    """What a host answers, over one connection."""

    drift: list[Finding] | Unreachable
    health: Mapping[str, Output]
    story: Mapping[str, Section]


def ask(inventory: str, servers: Sequence[Address] = (), sudo: bool = False) -> FleetStatus:
    """Ask everything: health, drift, DNS and the hosts' own story. Raises SettingsError,
    SecretsError, TemplateProblemError and ConflictingRecordsError before any host is asked."""
    loaded = load_inventory(inventory)
    fleet = fleet_of(loaded, Sources(inventory), SCHEMA)
    records = desired_records(fleet, ())
    comparisons, checkup = comparisons_of(fleet), HealthRun.of(COMPONENTS, fleet)

    def everything(host: PyinfraHost) -> _Told:
        story = host.get_fact(Sections, commands=questions(fleet, fleet.hosts[host.name]))
        return _Told(compare(comparisons[host.name], host), checkup.ask(host), story or {})

    outside = gevent.spawn(checkup.run_external_probe)
    asking = HostQuery(
        loaded, list(comparisons), everything, sudo=sudo, answer_seconds=_ANSWER_SECONDS
    )
    told = asking.run()
    health = checkup.results(_part(told, lambda it: it.health), outside.get())
    hosts = tuple(_status(fleet, *answer) for answer in _part(told, lambda it: it.story).items())
    try:
        live = run_checks(
            records,
            servers or servers_of(fleet[DnsSettings].resolvers),
            # Blocklists are part of health.
            Limits(seconds=_DNS_SECONDS),
        )
        dns, dns_error = tuple(live.findings), ""
    except NoServerAnswersError as error:
        dns, dns_error = (), str(error)
    return FleetStatus(
        inventory,
        datetime.now(UTC).isoformat(timespec="seconds"),
        hosts,
        tuple(health),
        report_of(inventory, _part(told, lambda it: it.drift)),
        dns,
        dns_error,
        newer_versions(fleet, {it.image for host in hosts for it in host.containers}),
    )


Part = TypeVar("Part")


def _part(
    told: Mapping[str, _Told | Unreachable], of: Callable[[_Told], Part]
) -> dict[str, Part | Unreachable]:
    """Of a host that cannot be asked, that is all there is to each part."""
    return {
        name: answer if isinstance(answer, Unreachable) else of(answer)
        for name, answer in told.items()
    }


def _status(fleet: Fleet, name: str, answer: Mapping[str, Section] | Unreachable) -> HostStatus:
    if isinstance(answer, Unreachable):
        return status_of(fleet.hosts[name], {}, f"{answer.finding}: {answer.remedy}")
    return status_of(fleet.hosts[name], answer)
