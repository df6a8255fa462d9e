"""`mailfleet drift`."""

import sys
from pathlib import Path

import click

from mailfleet.checks import formats
from mailfleet.checks.formats import plain
from mailfleet.cli.refuse import UsageErrorCommand, refuse
from mailfleet.cli.results import OutputFile, end_as_nagios, junit_option, nagios_option, write
from mailfleet.converge.session import RunAbortedError
from mailfleet.drift.compare import drift as drift_of
from mailfleet.drift.finding import REPORT, Finding, Report
from mailfleet.fleet.errors import SettingsError
from mailfleet.report.drift_page import page
from mailfleet.secrets import SecretsError
from mailfleet.templates import TemplateProblemError

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(cls=UsageErrorCommand)
@click.argument("inventory")
@click.argument("deploys", nargs=-1, metavar="[DEPLOY]...")
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@nagios_option
@junit_option
@click.option(
    "--html",
    "html",
    type=OutputFile(),
    help="Also write the report as an HTML page.",
)
def drift(
    inventory: str,
    deploys: tuple[str, ...],
    sudo: bool,
    as_json: bool,
    as_nagios: bool,
    junit: Path | None,
    html: Path | None,
) -> None:
    """Show how hosts differ from the desired state. Changes nothing.

    DEPLOYs such as deploys/postal.py limit the comparison to what they deploy; by default all
    components of all hosts are compared.

    Exits 0 if all hosts are in sync, 2 if one differs, 3 if none differs but one is unreachable or
    gave no answer to a check."""
    try:
        report = drift_of(inventory, deploys, sudo)
        if html:
            write(html, page(report))
        if junit:
            write(junit, formats.junit(f"Drift of {inventory}", report.results))
    except (SettingsError, SecretsError, TemplateProblemError, RunAbortedError) as error:
        refuse(str(error), as_nagios)
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}", as_nagios)
    if as_nagios:
        end_as_nagios("DRIFT", report.results)
    if as_json:
        click.echo(REPORT.dump_json(report, indent=2).decode())
    else:
        show(report, deploys)
    sys.exit(report.exit_code)


def show(report: Report, deploys: tuple[str, ...] = ()) -> None:
    """One line for each host, and below it its differences."""
    for host in report.hosts:
        if host.error:
            click.echo(f"{host.name}: {click.style(host.error, 'red')}")
            continue
        summary = click.style(host.summary, "yellow" if host.findings else "green")
        click.echo(f"{click.style(host.name, bold=True)}: {summary}")
        for finding in host.findings:
            for line in lines(finding):
                click.echo(line)
    if report.findings:
        names = " ".join(deploys) or "deploys/site.py"
        click.echo(f"Deploy again: pyinfra {report.inventory} {names}")


def lines(finding: Finding) -> list[str]:
    """A finding for a terminal."""
    kind = click.style(finding.kind.value, "yellow")
    return [
        f"  {finding.component}: {kind} {plain(finding.name)}",
        f"      desired {plain(finding.desired)}; observed {plain(finding.observed)}",
        *(click.style(f"      {plain(line)}", _COLOURS.get(line[:1])) for line in finding.diff),
        f"      -> {finding.remedy}",
    ]
