"""`mailfleet dns`: show, check and publish the fleet's DNS records."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from textwrap import indent

import click
from pydantic import TypeAdapter, ValidationError

from mailfleet.cli.dns_publish import publish
from mailfleet.cli.dns_records import fleet_and_records_or_exit
from mailfleet.cli.dns_rotate import rotate, steps
from mailfleet.cli.refuse import refuse
from mailfleet.cli.results import OutputFile, write
from mailfleet.dns.checks.bulk import bulk_findings
from mailfleet.dns.checks.check_run import (
    CheckRun,
    NoServerAnswersError,
    check_recorded,
    run_checks,
    servers_of,
)
from mailfleet.dns.checks.report import table
from mailfleet.dns.checks.spool import Spool
from mailfleet.dns.desired.domains import sts_policy
from mailfleet.dns.finding import UNKNOWN_EXIT, Finding, Verdict, exit_code
from mailfleet.dns.publish.octodns import octodns_zones
from mailfleet.dns.resolve.recording import Recording, UnreadableRecordingError, save_answers
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.rotation.history import changes_since_last, history_file
from mailfleet.dns.settings import DnsSettings
from mailfleet.dns.zone import TTL, zone_texts
from mailfleet.fleet.types import HostName

_HOST_NAME: TypeAdapter[str] = TypeAdapter(HostName)


def _domain(context: click.Context, parameter: click.Parameter, value: Iterable[str]) -> list[str]:
    try:
        return [_HOST_NAME.validate_python(name) for name in value]
    except ValidationError as error:
        wrong = error.errors()[0]
        message = wrong["msg"].removeprefix("Value error, ")
        raise click.BadParameter(f"{wrong['input']}: {message}") from None


domains_argument = click.argument("domains", metavar="[DOMAIN]...", nargs=-1, callback=_domain)


@click.group()
def dns() -> None:
    """Show, check and publish the fleet's DNS records.

    DOMAIN is a domain that sends through Postal and is not in postal_sending_domains."""


@dns.command()
@click.argument("inventory")
@domains_argument
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def records(inventory: str, domains: list[str], as_json: bool) -> None:
    """Print every record that the fleet needs and the reason for it."""
    _, desired = fleet_and_records_or_exit(inventory, domains)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in desired], indent=2))
        return
    for record in desired:
        click.echo(click.style(f"{record.name} {record.type}", bold=True))
        for line in record.lines:
            click.echo(f"    {line}")
        click.echo(f"    {record.severity}: {record.why}")
        click.echo(click.style(f"    {record.source}", dim=True))


@dns.command()
@click.argument("inventory")
@domains_argument
@click.option(
    "--origin",
    "origins",
    multiple=True,
    callback=_domain,
    help="Zone that you serve; repeatable. Default: the longest common parent of the names.",
)
@click.option(
    "--ttl",
    default=TTL,
    show_default=True,
    type=click.IntRange(1, 2**31 - 1),
    help="TTL of the records, in seconds.",
)
@click.option(
    "--format",
    "form",
    default="bind",
    show_default=True,
    type=click.Choice(["bind", "octodns"]),
    help="bind: zone file for BIND, NSD, Knot and most web forms; octodns: YAML for octoDNS.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file per zone to this directory instead of printing.",
)
def zone(
    inventory: str,
    domains: list[str],
    origins: list[str],
    ttl: int,
    form: str,
    output: Path | None,
) -> None:
    """Print the records as zone files without SOA and NS records."""
    _, desired = fleet_and_records_or_exit(inventory, domains)
    render, suffix = (octodns_zones, "yaml") if form == "octodns" else (zone_texts, "zone")
    texts = render(desired, origins, ttl)
    if output:
        try:
            output.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                write(output / f"{name}.{suffix}", text)
        except OSError as error:
            refuse(f"{error.filename}: {error.strerror}")
        return
    if form == "octodns":
        texts = {name: f"---  # {name}.yaml\n{text}" for name, text in texts.items()}
    click.echo("\n".join(texts.values()), nl=False)


def _servers(
    context: click.Context, parameter: click.Parameter, value: Iterable[str]
) -> list[Address]:
    try:
        return [Address.parse(text) for text in value]
    except ValueError as error:
        raise click.BadParameter(f"{error}; write it as 192.0.2.1 or [2001:db8::1]:53") from None


server_option = click.option(
    "--server",
    "servers",
    multiple=True,
    callback=_servers,
    metavar="IP[:PORT]",
    help="Query this DNS server; repeatable: the next one is queried if one does not answer. "
    "Default: dns_resolvers, else the servers in /etc/resolv.conf.",
)

_LIMITS = Limits()


@dns.command()
@click.argument("inventory")
@domains_argument
@server_option
@click.option(
    "--rate",
    default=_LIMITS.rate,
    show_default=True,
    type=click.FloatRange(0),
    help="Maximum queries per second to each server; 0: no limit.",
)
@click.option(
    "--timeout",
    default=_LIMITS.seconds,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="Overall time limit.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    hidden=True,
    deprecated="use --timeout",
)
@click.option(
    "--authoritative",
    is_flag=True,
    help="Also query every authoritative server of each zone and compare the answers.",
)
@click.option(
    "--compare",
    "compared",
    multiple=True,
    callback=_servers,
    metavar="IP[:PORT]",
    help="Also query this resolver, such as 1.1.1.1, and compare it with the authoritative "
    "servers; repeatable.",
)
@click.option(
    "--watch",
    "minutes",
    type=click.FloatRange(0, 24 * 60),
    metavar="MINUTES",
    help="Repeat the check until it finds no fault, for at most this time.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="Also check the bulk-sender requirements of Google, Yahoo and Microsoft.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.option("--strict", is_flag=True, help="Count recommended records and warnings too.")
@click.option("--save", type=OutputFile(), help="Save all answers to this file.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check recorded answers (see --save) instead of querying DNS.",
)
def check(
    inventory: str,
    domains: list[str],
    servers: list[Address],
    rate: float,
    timeout: float,
    seconds: float | None,
    authoritative: bool,
    compared: list[Address],
    minutes: float | None,
    bulk: bool,
    as_json: bool,
    strict: bool,
    save: Path | None,
    replay: Path | None,
) -> None:
    """Check the fleet's DNS records the way mail receivers do.

    Exit codes: 0 all required records are correct; 1 usage or configuration error; 2 a required
    record is missing or wrong; 3 DNS did not answer for a required record."""
    if replay and (servers or save or authoritative or compared or minutes):
        raise click.UsageError(
            "--replay excludes --server, --save, --authoritative, --compare and --watch"
        )
    fleet, desired = fleet_and_records_or_exit(inventory, domains)
    blocklists = fleet[DnsSettings].blocklists
    servers = servers or servers_of(fleet[DnsSettings].resolvers)
    try:
        if replay:
            findings = Spool(check_recorded(desired, Recording.load(replay), blocklists))
        else:
            limits = Limits(seconds=seconds or timeout, rate=rate)
            check_once = partial(
                run_checks, desired, servers, limits, blocklists, authoritative, compared
            )
            check_run = _repeat(check_once, minutes or 0, strict)
            findings = check_run.findings
            if save:
                _save(check_run, save)
        if bulk:
            findings.extend(bulk_findings(desired, findings))
    except NoServerAnswersError as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(UNKNOWN_EXIT)
    except UnreadableRecordingError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    _show(findings, as_json)
    if not replay:
        # To standard error: a program may read the findings.
        for line in changes_since_last(history_file(inventory), findings):
            click.echo(line, err=True)
    sys.exit(exit_code(findings, strict))


@dns.command(name="mta-sts")
@click.argument("inventory")
@click.argument("domain")
def mta_sts(inventory: str, domain: str) -> None:
    """Print the MTA-STS policy of a domain in dns_mta_sts.

    The Caddy of the host in served_by serves it. Any other web server must serve it as
    https://mta-sts.DOMAIN/.well-known/mta-sts.txt with content type text/plain."""
    fleet, _ = fleet_and_records_or_exit(inventory)
    if domain not in fleet[DnsSettings].mta_sts:
        known = ", ".join(fleet[DnsSettings].mta_sts) or "none"
        refuse(f"{domain} is not in dns_mta_sts (configured: {known})")
    click.echo(sts_policy(fleet, domain).text, nl=False)


dns.add_command(publish)
dns.add_command(rotate)
dns.add_command(steps)
dns.add_command(
    click.Command(
        "sts",
        callback=mta_sts.callback,
        params=mta_sts.params,
        hidden=True,
        deprecated="use `mailfleet dns mta-sts`",
    )
)


def _save(check_run: CheckRun, file: Path) -> None:
    try:
        save_answers(check_run.answers, file)
    except OSError as error:
        refuse(f"{file}: {error.strerror}")


_PAUSE = 5, 30
"""Seconds between two checks, minimum and maximum."""


def _repeat(check_once: Callable[[], CheckRun], minutes: float, strict: bool) -> CheckRun:
    """Check until no finding blocks or the time is over. Returns the last run."""
    ends = time.monotonic() + minutes * 60
    while True:
        check_run = check_once()
        waiting = dict.fromkeys(
            (finding.name, finding.type)
            for finding in check_run.findings
            if finding.blocks(strict) or _propagating(finding)
        )
        left = ends - time.monotonic()
        if not waiting or left <= 0:
            return check_run
        cached = check_run.cached_for(waiting)
        pause = min(left, _PAUSE[1], max(_PAUSE[0], cached))
        names = ", ".join(f"{name} {kind}" for name, kind in islice(waiting, 3))
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        click.echo(
            f"not yet correct: {names}{more}; resolvers may cache the answers for {cached} s; "
            f"next check in {pause:.0f} s",
            err=True,
        )
        time.sleep(pause)


def _propagating(finding: Finding) -> bool:
    """Whether servers still differ, which usually passes by itself."""
    differ = finding.check in ("propagation", "propagation.serial")
    return differ and finding.verdict is not Verdict.OK


def _show(findings: Spool[Finding], as_json: bool) -> None:
    if as_json:
        click.echo("[", nl=False)
        lead = ""
        for finding in findings:
            text = json.dumps(asdict(finding), indent=2)
            click.echo(f"{lead}\n{indent(text, '  ')}", nl=False)
            lead = ","
        click.echo("\n]")
        return
    for line in table(findings):
        click.echo(line)
