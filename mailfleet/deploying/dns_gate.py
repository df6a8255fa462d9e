"""DNS as a gate: the check of `mailfleet dns check`, as part of a deploy."""

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
"""A report does not hold up a deploy."""
_SHOWN = 10


def findings_of(fleet: Fleet, seconds: float = 60) -> Spool[Finding]:
    """What DNS says of every record that the fleet needs. Raises RunAbortedError."""
    # Late: a deploy that does not look at DNS does not load what asks it.
    from mailfleet.deploying.records import desired_records
    from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks, servers_of
    from mailfleet.dns.resolve.resolver import Limits

    try:
        records = desired_records(fleet)
        servers = servers_of(fleet[DnsSettings].resolvers)
        live = run_checks(records, servers, Limits(seconds=seconds), fleet[DnsSettings].blocklists)
    except (SettingsError, SecretsError, ConflictingRecordsError, NoServerAnswersError) as error:
        raise RunAbortedError(str(error)) from None
    return live.findings


@operation()
def records_hold(required: bool = True) -> Generator[StringCommand, None, None]:
    """Ask DNS for every record that the fleet needs, once for all hosts, and show what is wrong.

    + required: end the run when a required record does not hold
    """
    # What comes before in the same run may be what makes it hold. A dry run ends before.
    if context_state.current_stage is StateStage.Execute or is_dry():
        found = findings_of(current_fleet(context_state))
        for line in table(found):
            click.echo(line)
        wrong = sum(finding.blocks(strict=False) for finding in found)
        if wrong and required and not is_dry():
            raise RunAbortedError(
                f"DNS: {wrong} required records are missing or wrong; run `mailfleet dns publish`, "
                "or paste the lines above into your zone"
            )
    yield from ()


@operation()
def records_told() -> Generator[StringCommand, None, None]:
    """Ask DNS for every record that the fleet needs, once for all hosts, and tell in a few lines
    which required ones do not hold. Never ends a run."""
    if context_state.current_stage is StateStage.Execute:
        for line in _told(current_fleet(context_state)):
            # Beside what a program may read.
            click.echo(line, err=True)
    yield from ()


def _told(fleet: Fleet) -> Iterator[str]:
    try:
        found = findings_of(fleet, _SECONDS)
    except RunAbortedError as error:
        yield f"DNS check skipped: {str(error).splitlines()[0]}"
        return
    wrong = [finding for finding in found if finding.blocks(strict=False)]
    if not wrong:
        yield "DNS: all required records are published"
        return
    yield f"DNS: {len(wrong)} required records are missing or wrong; see `mailfleet dns check`"
    for finding in wrong[:_SHOWN]:
        yield f"  {finding.verdict:8} {finding.name} {finding.type}  {printable(finding.found)}"
    if wrong[_SHOWN:]:
        yield f"  and {len(wrong) - _SHOWN} more"


def report() -> None:
    """The last line of a deploy: a look at DNS without SSH, for a run of the whole inventory."""
    if current_fleet(context_state)[DnsSettings].report and context_state.limit_hosts is None:
        records_told(name="dns | report", _run_once=True, _serial=True)


@pyinfra_deploy("dns")
def deploy(required: bool = True) -> None:
    """The records of the whole fleet, looked at once.

    + required: end the run when a required record does not hold; otherwise only tell
    """
    # Serial: in a greenlet of its own its failure would be shown with a traceback.
    records_hold(name="records", required=required, _run_once=True, _serial=True)
