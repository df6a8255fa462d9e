"""`mailfleet dns steps`: what comes next in a rotation of DKIM keys or a move between services."""

import sys
from collections.abc import Collection
from datetime import UTC, datetime

import click

from mailfleet.cli.dns_records import fleet_and_records_or_exit
from mailfleet.cli.refuse import refuse
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.deploying.records import signing_selectors
from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks, servers_of
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.rotation.dates import Dates, UnreadableDatesError
from mailfleet.dns.rotation.steps import Situation, State, steps
from mailfleet.dns.settings import DkimKey, DnsSettings
from mailfleet.fleet.fleet import Fleet

_FILE = "dns-steps.json"
_COLOURS = {State.FIX: "red", State.DO: "yellow", State.WAIT: "blue"}


@click.command(name="steps")
@click.argument("inventory")
def show_steps(inventory: str) -> None:
    """Tell what comes next where keys are rotated or mail moves to another service.

    Looks at every authoritative server, and keeps the dates in dns-steps.json beside the
    inventories: commit it.

    Exits 2 when something should be in DNS and is not, 0 otherwise."""
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
            concerned = [one for one in records if _concerns(one, domains)]
            findings = list(run_checks(concerned, servers, Limits(), authoritative=True).findings)
        found = list(
            steps(
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
    except (NoServerAnswersError, UnreadableDatesError) as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    for step in found:
        click.echo(f"{click.style(step.state, _COLOURS[step.state])}  {step.subject}: {step.text}")
    if not found:
        click.echo("nothing is under way: no key in dns_dkim_keys, no sender with a stage")
    sys.exit(2 if any(step.state is State.FIX for step in found) else 0)


def _concerns(record: Record, domains: Collection[str]) -> bool:
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
