"""`mailfleet dns`: the records that the fleet needs, and whether the world sees them."""

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
from mailfleet.cli.dns_records import desired_or_exit, fleet_and_records_or_exit
from mailfleet.cli.dns_steps import show_steps
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
from mailfleet.dns.checks.report import coloured
from mailfleet.dns.checks.spool import Spool
from mailfleet.dns.desired.domains import sts_policy
from mailfleet.dns.finding import Finding, Verdict
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
    """DNS: which records the fleet needs, and whether the world sees them.

    DOMAINs are those that send through Postal."""


@dns.command()
@click.argument("inventory")
@domains_argument
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def records(inventory: str, domains: list[str], as_json: bool) -> None:
    """Print every record the fleet needs, and why."""
    wanted = desired_or_exit(inventory, domains)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in wanted], indent=2))
        return
    for record in wanted:
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
    help="A zone of yours; may be repeated. Default: the longest parent common to names.",
)
@click.option("--ttl", default=TTL, show_default=True, type=click.IntRange(1, 2**31 - 1))
@click.option(
    "--format",
    "form",
    default="bind",
    show_default=True,
    type=click.Choice(["bind", "octodns"]),
    help="bind: for BIND, NSD, Knot and most web forms; octodns: YAML for octoDNS.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a file for each zone into this directory instead.",
)
def zone(
    inventory: str,
    domains: list[str],
    origins: list[str],
    ttl: int,
    form: str,
    output: Path | None,
) -> None:
    """Print the records as parts of zones, without SOA and NS."""
    wanted = desired_or_exit(inventory, domains)
    made, suffix = (octodns_zones, "yaml") if form == "octodns" else (zone_texts, "zone")
    texts = made(wanted, origins, ttl)
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
    help="Ask this DNS server; may be repeated: the next one is asked when one does not answer. "
    "Default: dns_resolvers, else those of this machine.",
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
    help="Queries a second to each server at most; 0: no bound.",
)
@click.option(
    "--seconds",
    default=_LIMITS.seconds,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="What is not answered by then counts as unanswered.",
)
@click.option(
    "--authoritative",
    is_flag=True,
    help="Ask every authoritative server of each zone too, and compare what they say.",
)
@click.option(
    "--compare",
    "compared",
    multiple=True,
    callback=_servers,
    metavar="IP[:PORT]",
    help="Ask this resolver too, such as 1.1.1.1, and compare it with the authoritative servers; "
    "may be repeated.",
)
@click.option(
    "--watch",
    "minutes",
    type=click.FloatRange(0, 24 * 60),
    metavar="MINUTES",
    help="Look again until all is well, for so long at most.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="Tell for each domain whether Google, Yahoo and Microsoft take 5,000 messages a day.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every finding as JSON.")
@click.option("--strict", is_flag=True, help="Exit 2 for recommendations too.")
@click.option("--save", type=OutputFile(), help="Keep what DNS answered in this file.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Ask nobody: check what --save kept in this file.",
)
def check(
    inventory: str,
    domains: list[str],
    servers: list[Address],
    rate: float,
    seconds: float,
    authoritative: bool,
    compared: list[Address],
    minutes: float | None,
    bulk: bool,
    as_json: bool,
    strict: bool,
    save: Path | None,
    replay: Path | None,
) -> None:
    """Check DNS the way receivers of mail do.

    Exits 0 when every required record holds, 2 when one does not, 1 when the question could not
    be asked."""
    if replay and (servers or save or authoritative or compared or minutes):
        raise click.UsageError("--replay asks no server and saves nothing")
    fleet, wanted = fleet_and_records_or_exit(inventory, domains)
    asked, blocklists = (
        servers or servers_of(fleet[DnsSettings].resolvers),
        fleet[DnsSettings].blocklists,
    )
    try:
        if replay:
            findings = Spool(check_recorded(wanted, Recording.load(replay), blocklists))
        else:
            limits = Limits(seconds=seconds, rate=rate)
            look = partial(run_checks, wanted, asked, limits, blocklists, authoritative, compared)
            live = _wait(look, minutes or 0, strict)
            findings = live.findings
            if save:
                _save(live, save)
        if bulk:
            findings.extend(bulk_findings(wanted, findings))
    except (NoServerAnswersError, UnreadableRecordingError) as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    _show(findings, as_json)
    if not replay:
        # Beside the findings, which a program may read.
        for line in changes_since_last(history_file(inventory), findings):
            click.echo(line, err=True)
    sys.exit(2 if any(finding.blocks(strict) for finding in findings) else 0)


@dns.command()
@click.argument("inventory")
@click.argument("domain")
def sts(inventory: str, domain: str) -> None:
    """Print the MTA-STS policy of a domain of dns_mta_sts.

    A Caddy of the fleet serves it where served_by says so. Another web server has it as
    https://mta-sts.DOMAIN/.well-known/mta-sts.txt, in text/plain."""
    fleet, _ = fleet_and_records_or_exit(inventory)
    if domain not in fleet[DnsSettings].mta_sts:
        known = ", ".join(fleet[DnsSettings].mta_sts) or "none"
        refuse(f"{domain} is not in dns_mta_sts, which has {known}")
    click.echo(sts_policy(fleet, domain).text, nl=False)


dns.add_command(publish)
dns.add_command(show_steps)


def _save(live: CheckRun, file: Path) -> None:
    try:
        save_answers(live.answers, file)
    except OSError as error:
        refuse(f"{file}: {error.strerror}")


_PAUSE = 5, 30
"""Seconds between two looks, at least and at most."""


def _wait(look: Callable[[], CheckRun], minutes: float, strict: bool) -> CheckRun:
    """Look until nothing blocks, or the time is over."""
    ends = time.monotonic() + minutes * 60
    while True:
        live = look()
        waiting = dict.fromkeys(
            (finding.name, finding.type)
            for finding in live.findings
            if finding.blocks(strict) or _spreads(finding)
        )
        left = ends - time.monotonic()
        if not waiting or left <= 0:
            return live
        remembered = live.cached_for(waiting)
        pause = min(left, _PAUSE[1], max(_PAUSE[0], remembered))
        names = ", ".join(f"{name} {kind}" for name, kind in islice(waiting, 3))
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        click.echo(
            f"not well yet: {names}{more}; resolvers may remember that for {remembered} s; "
            f"looking again in {pause:.0f} s",
            err=True,
        )
        time.sleep(pause)


def _spreads(finding: Finding) -> bool:
    """Whether servers still differ, which passes."""
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
    for line in coloured(findings):
        click.echo(line)
