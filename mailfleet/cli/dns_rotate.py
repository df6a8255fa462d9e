"""`mailfleet dns rotate`: guide DKIM rotations and migrations between mail services."""

import sys
from collections.abc import Collection
from datetime import UTC, datetime

import click

from mailfleet.cli.dns_records import fleet_and_records_or_exit
from mailfleet.cli.refuse import refuse
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.deploying.records import signing_selectors
from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks, servers_of
from mailfleet.dns.finding import UNKNOWN_EXIT, Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.rotation.dates import Dates, UnreadableDatesError
from mailfleet.dns.rotation.steps import Situation, State, next_steps_of
from mailfleet.dns.settings import DkimKey, DnsSettings
from mailfleet.fleet.fleet import Fleet

_FILE = "dns-steps.json"
_COLOURS = {State.FIX: "red", State.DO: "yellow", State.WAIT: "blue"}


@click.command()
@click.argument("inventory")
def rotate(inventory: str) -> None:
    """Guide a DKIM rotation or a provider migration.

    Checks every authoritative server and prints the next step of each rotation and migration.
    Keeps their dates in dns-steps.json in the project directory: commit this file.

    Exit codes: 0 no record is missing; 1 usage or configuration error; 2 a record is missing or
    wrong; 3 no DNS server answers."""
    fleet, records = fleet_and_records_or_exit(inventory)
    keys = fleet[DnsSettings].dkim_keys
    senders = [sender for sender in fleet[DnsSettings].senders if sender.stage]
    file = fleet.directory / _FILE
    domains = {*(key.domain for key in keys), *(sender.domain for sender in senders)}
    try:
        dates = Dates.load(file)
        findings: list[Finding] = []
        if domains:
            servers = servers_of(fleet[DnsSettings].resolvers)
            relevant = [record for record in records if _belongs(record, domains)]
            findings = list(run_checks(relevant, servers, Limits(), authoritative=True).findings)
        next_steps = list(
            next_steps_of(
                keys,
                senders,
                Situation(
                    findings,
                    lambda domain: signing_selectors(fleet, domain),
                    lambda key: _switch(fleet, key),
                    dates,
                    datetime.now(UTC),
                    fleet[DnsSettings].ttl,
                ),
            )
        )
        dates.save(file)
    except NoServerAnswersError as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(UNKNOWN_EXIT)
    except UnreadableDatesError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    for step in next_steps:
        click.echo(f"{click.style(step.state, _COLOURS[step.state])}  {step.subject}: {step.text}")
    if not next_steps:
        click.echo("no rotation or migration: dns_dkim_keys is empty, no sender has a stage")
    sys.exit(2 if any(step.state is State.FIX for step in next_steps) else 0)


steps = click.Command(
    "steps",
    callback=rotate.callback,
    params=rotate.params,
    hidden=True,
    deprecated="use `mailfleet dns rotate`",
)


def _belongs(record: Record, domains: Collection[str]) -> bool:
    return any(
        record.name == domain or (record.name.endswith(f".{domain}") and record.type != "A")
        for domain in domains
    )


def _switch(fleet: Fleet, key: DkimKey) -> str:
    name = key.key.name if key.key else key.selector
    mailservers = fleet.with_role("mailserver")
    if any(key.domain in host[MailserverSettings].sending_domains for host in mailservers):
        return (
            f'set mailserver_dkim_selector = "{key.selector}" and '
            f'mailserver_dkim_key = secret("{name}")'
        )
    return (
        f'set postal_signing_key = secret("{name}") and in postal_config '
        f'"dns": {{"dkim_identifier": "{key.selector}"}}'
    )
