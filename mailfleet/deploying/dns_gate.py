"""The checks of `mailfleet dns check` as part of a deploy: a gate or a report."""

from collections.abc import Generator, Iterator

import click
from pyinfra import state as context_state
from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy as pyinfra_deploy
from pyinfra.api.operation import operation
from pyinfra.api.state import StateStage

from mailfleet.converge.session import RunAbortedError, current_fleet, is_dry
from mailfleet.dns.checks.report import printable, table
from mailfleet.dns.checks.spool import Spool
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import ConflictingRecordsError
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import SecretsError

_SECONDS = 5
"""A report must not delay a deploy."""
_SHOWN = 10


def findings_of(fleet: Fleet, seconds: float = 60) -> Spool[Finding]:
    """The findings on all records that the fleet needs. Raises RunAbortedError."""
    # Imported late: a deploy without a DNS check does not load the resolver.
    from mailfleet.deploying.records import desired_records
    from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks, servers_of
    from mailfleet.dns.resolve.resolver import Limits

    try:
        records = desired_records(fleet)
        servers = servers_of(fleet[DnsSettings].resolvers)
        check_run = run_checks(
            records, servers, Limits(seconds=seconds), fleet[DnsSettings].blocklists
        )
    except (SettingsError, SecretsError, ConflictingRecordsError, NoServerAnswersError) as error:
        raise RunAbortedError(str(error)) from None
    return check_run.findings


@operation()
def check_required_records(required: bool = True) -> Generator[StringCommand, None, None]:
    """Check all records that the fleet needs, once for all hosts, and print the findings.

    + required: abort the run if a required record is missing or wrong
    """
    # Not in the prepare stage: earlier operations of the same run may publish the records. A dry
    # run has no execute stage.
    if context_state.current_stage is StateStage.Execute or is_dry():
        findings = findings_of(current_fleet(context_state))
        for line in table(findings):
            click.echo(line)
        wrong = sum(finding.blocks(strict=False) for finding in findings)
        if wrong and required and not is_dry():
            raise RunAbortedError(
                f"DNS: {wrong} required records are missing or wrong; run `mailfleet dns publish`, "
                "or paste the lines above into your zone"
            )
    yield from ()


@operation()
def report_records() -> Generator[StringCommand, None, None]:
    """Check all records that the fleet needs, once for all hosts, and print in a few lines which
    required ones are missing or wrong. Never aborts a run."""
    if context_state.current_stage is StateStage.Execute:
        for line in _report_lines(current_fleet(context_state)):
            # To standard error: a program may read standard output.
            click.echo(line, err=True)
    yield from ()


def _report_lines(fleet: Fleet) -> Iterator[str]:
    try:
        findings = findings_of(fleet, _SECONDS)
    except RunAbortedError as error:
        yield f"DNS check skipped: {str(error).splitlines()[0]}"
        return
    wrong = [finding for finding in findings if finding.blocks(strict=False)]
    if not wrong:
        yield "DNS: all required records are published"
        return
    yield f"DNS: {len(wrong)} required records are missing or wrong; see `mailfleet dns check`"
    for finding in wrong[:_SHOWN]:
        yield f"  {finding.verdict:8} {finding.name} {finding.type}  {printable(finding.found)}"
    if wrong[_SHOWN:]:
        yield f"  and {len(wrong) - _SHOWN} more"


def report() -> None:
    """End a deploy of the whole inventory with a short DNS check. Takes no SSH."""
    if current_fleet(context_state)[DnsSettings].report and context_state.limit_hosts is None:
        report_records(name="dns | report", _run_once=True, _serial=True)


@pyinfra_deploy("dns")
def deploy(required: bool = True) -> None:
    """Check the records of the whole fleet, once for all hosts.

    + required: abort the run if a required record is missing or wrong; otherwise only print it
    """
    # Serial: the failure of a greenlet would be printed with a traceback.
    check_required_records(name="records", required=required, _run_once=True, _serial=True)
