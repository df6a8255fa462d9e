"""Drift of a fleet: all hosts at once, one round trip each, one more where files differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra import state as context_state
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host as PyinfraHost

from mailfleet.agent.evaluate import DEPLOY
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.checks.formats import plain
from mailfleet.components.registry import COMPONENTS, PREFLIGHT, SCHEMA
from mailfleet.converge.bundle import Bundle, File
from mailfleet.converge.diff import contents_of
from mailfleet.converge.file_diff import unified
from mailfleet.converge.manifest import manifest_path
from mailfleet.converge.observe import ANSWER_SECONDS, PATHS, Desired, HostState, Observation
from mailfleet.converge.plan import file_changes
from mailfleet.converge.session import RunAbortedError, current_fleet
from mailfleet.deploying.desired import desired_bundles
from mailfleet.deploying.start import Scope, any_host, scope_of
from mailfleet.drift import evaluate
from mailfleet.drift.bundle import differences, is_deployed
from mailfleet.drift.evaluate import as_bundle, observed_as
from mailfleet.drift.finding import Difference, Finding, HostReport, Kind, Report, count_text
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources
from mailfleet.fleet.rules import secret_problems
from mailfleet.secrets import SecretsError
from mailfleet.templates import TemplateProblemError
from mailfleet.transport import HANG_REMEDY, LOGIN_REMEDY, HostQuery, Unreachable

_EVERYTHING = Scope(frozenset(component.name for component in COMPONENTS), any_host)


@dataclass(frozen=True)
class Comparison:
    """The desired state of a host, ready to be compared. All components are compared, whichever are
    reported: an orphan is what none of them knows."""

    host: Host
    bundles: Mapping[str, Bundle]
    checks: Sequence[DriftCheck]
    reported: frozenset[str]
    """Components whose drift is reported."""

    @classmethod
    def of(cls, fleet: Fleet, host: Host, scopes: Iterable[Scope]) -> "Comparison":
        """Render the desired bundles. Raises SecretsError and TemplateProblemError."""
        everything, checks = desired_bundles(fleet, host)
        # preflight has no desired state.
        bundles = {name: it for name, it in everything.items() if name != PREFLIGHT.name}
        reported = {
            name for scope in scopes if scope.only(fleet, host) for name in scope.components
        }
        return cls(host, bundles, checks, frozenset(reported))

    @property
    def desired(self) -> Desired:
        return Desired((*self.bundles.values(), as_bundle(self.checks)))

    def findings(self, observed: Observation) -> list[Finding]:
        """Everything that differs, in the order of components; without contents of files."""
        found = [
            Finding.of(self.host.name, component, difference)
            for component, difference in self._differences(observed)
            if component in self.reported
        ]
        return list(dict.fromkeys(found))

    def _differences(self, observed: Observation) -> Iterator[tuple[str, Difference]]:
        for name, bundle in self.bundles.items():
            found = list(self._of(bundle, observed))
            # The manifest changes with everything that a deploy fixes: one finding is enough.
            others = [it for it in found if it.name != manifest_path(bundle)]
            reported = others if any(it.remedy == DEPLOY for it in others) else found
            yield from ((name, difference) for difference in reported)

    def _of(self, bundle: Bundle, observed: Observation) -> Iterator[Difference]:
        yield from differences(bundle, observed)
        # What was never deployed has no effective settings either.
        if bundle.files and not is_deployed(bundle, observed):
            return
        differing = file_changes(bundle, observed).paths
        for check in self.checks:
            if check.component == bundle.component:
                yield from evaluate.differences(check, observed, differing)

    def differing_files(self, findings: Iterable[Finding]) -> list[File]:
        """Files whose content differs."""
        return [
            self.bundles[finding.component].file(finding.name)
            for finding in findings
            # Of anything but a file, such as a link, the content is another's.
            if finding.kind is Kind.FILE and finding.observed.startswith("other content")
        ]

    def with_diffs(
        self, findings: Iterable[Finding], contents: Mapping[str, bytes]
    ) -> list[Finding]:
        return [
            replace(
                finding,
                diff=unified(
                    self.bundles[finding.component].file(finding.name), contents[finding.name]
                ),
            )
            if finding.kind is Kind.FILE and finding.name in contents
            else finding
            for finding in findings
        ]


def compare(comparison: Comparison, host: PyinfraHost) -> list[Finding] | Unreachable:
    """Compare one host. Half an answer must not pass for drift."""
    observed = host.get_fact(HostState, desired=comparison.desired)
    who = observed_as(observed)
    if PATHS in observed.unanswered or (observed.unanswered and not who):
        return Unreachable(f"no answer within {ANSWER_SECONDS} s", HANG_REMEDY)
    if not who:
        return Unreachable("no answer", LOGIN_REMEDY)
    if who != "0":
        return Unreachable("only root sees everything", "set _sudo in the inventory, or use --sudo")
    found = comparison.findings(observed)
    contents = contents_of(host, comparison.differing_files(found))
    return comparison.with_diffs(found, contents)


def comparisons_of(fleet: Fleet, deploys: Sequence[str] = ()) -> dict[str, Comparison]:
    """Of the hosts that some deploys go through, or of all. Raises SettingsError, SecretsError,
    TemplateProblemError and RunAbortedError."""
    scopes = [scope_of(name) for name in deploys] or [_EVERYTHING]
    fleet.require_secrets()
    if problems := secret_problems(fleet):
        raise SettingsError(problems)
    found = {name: Comparison.of(fleet, host, scopes) for name, host in fleet.hosts.items()}
    reported = {name: comparison for name, comparison in found.items() if comparison.reported}
    if not reported:
        raise RunAbortedError(f"no host has what {' '.join(deploys)} goes through")
    return reported


def report_of(inventory: str, answers: Mapping[str, list[Finding] | Unreachable]) -> Report:
    """The answers of hosts, as of now."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(inventory, at, tuple(_report(name, answer) for name, answer in answers.items()))


def drift(inventory: str, deploys: Sequence[str] = (), sudo: bool = False) -> Report:
    """The drift of every host, or of what some deploys go through. Raises SettingsError,
    SecretsError, TemplateProblemError and RunAbortedError before any host is contacted."""
    loaded = load_inventory(inventory)
    comparisons = comparisons_of(fleet_of(loaded, Sources(inventory), SCHEMA), deploys)
    asking = HostQuery(loaded, list(comparisons), partial(_compare_one, comparisons), sudo=sudo)
    return report_of(inventory, asking.run())


def _compare_one(
    comparisons: Mapping[str, Comparison], host: PyinfraHost
) -> list[Finding] | Unreachable:
    return compare(comparisons[host.name], host)


def _report(name: str, answer: list[Finding] | Unreachable) -> HostReport:
    if isinstance(answer, Unreachable):
        return HostReport(name, error=f"{answer.finding}: {answer.remedy}")
    return HostReport(name, tuple(answer))


def drift_here() -> None:
    """In a deploy: compare the current host and print what differs. Raises OperationError if
    anything does, and RunAbortedError."""
    fleet = current_fleet(context_state)
    try:
        comparison = Comparison.of(fleet, fleet.hosts[context_host.name], [_EVERYTHING])
    except (SecretsError, TemplateProblemError) as error:
        raise RunAbortedError(str(error)) from None
    found = compare(comparison, context_host)
    if isinstance(found, Unreachable):
        raise OperationError(f"{context_host.name}: {found.finding}: {found.remedy}")
    for finding in found:
        text = (
            f"{finding.component}: {finding.kind.value} {finding.name}: "
            f"desired {finding.desired}; observed {finding.observed} -> {finding.remedy}"
        )
        for line in (text, *(f"  {line}" for line in finding.diff)):
            logger.info(f"{context_host.print_prefix}{plain(line)}")
    if found:
        raise OperationError(
            f"{context_host.name}: {count_text(len(found))} from the desired state"
        )
