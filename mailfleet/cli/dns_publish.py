"""`mailfleet dns publish`: the records, written where the zones are served."""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from ipaddress import ip_address

import click

from mailfleet.cli.dns_records import fleet_and_records_or_exit
from mailfleet.dns.checks.check_run import negative_ttls, servers_of
from mailfleet.dns.publish.apply import (
    PlanChangedError,
    Publication,
    apply,
    prepare,
    prepare_reverse,
    sort_by_zone,
)
from mailfleet.dns.publish.plan import Action, Change, dropped_senders
from mailfleet.dns.publish.rrset import UnreadableValueError
from mailfleet.dns.record import Record
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet
from mailfleet.providers.hetzner_dns import HetznerReverse
from mailfleet.providers.servers import ProviderError
from mailfleet.providers.zones import served_zone
from mailfleet.secrets import SecretsError

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red"}

Prepare = Callable[[], Publication]


def _taken(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> set[str]:
    """Names, and addresses as the names of their PTR records."""
    return {_pointer(name) for name in value}


def _pointer(name: str) -> str:
    try:
        return ip_address(name).reverse_pointer
    except ValueError:
        return name.lower().removesuffix(".")


@click.command()
@click.argument("inventory")
@click.option("--dry", is_flag=True, help="Show the plan and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--zone", "zones", multiple=True, help="Only this zone of dns_zones; repeatable.")
@click.option(
    "--take",
    multiple=True,
    callback=_taken,
    metavar="NAME",
    help="Take over the records of this name (or the PTR record of this address), whoever made "
    "them; repeatable.",
)
@click.option("--force", is_flag=True, help="Change more than 30 % of a zone's own records.")
def publish(
    inventory: str, dry: bool, yes: bool, zones: Sequence[str], take: set[str], force: bool
) -> None:
    """Write the records to the zones that dns_zones names.

    Shows a plan and asks first. Only records that this fleet made are changed or deleted: the TXT
    record _mailfleet of each zone lists them.

    Exits 0 when every record stands there, 2 when something is left to do (with --dry, or blocked
    by others' records), 1 when a zone cannot be read or written."""
    fleet, records = fleet_and_records_or_exit(inventory)
    try:
        parts, rest = _parts(fleet, records, take, zones)
        publications = [part() for part in parts]
        for publication in publications:
            _show(publication)
        _show_rest(rest)
        _stop_if_unsafe(publications, force)
        _warn_of_absence(fleet, publications)
        waiting = [one for one in publications if not one.plan.empty]
        click.echo(_summary(publications))
        if not waiting or dry or not (yes or click.confirm("Apply?")):
            sys.exit(2 if waiting or _blocked(publications) else 0)
        for publication, part in zip(publications, parts, strict=True):
            if not publication.plan.empty:
                apply(publication, part)
                click.echo(f"{publication.plan.zone}: done")
        # RFC 2308: who asked too early remembers that there was nothing.
        click.echo(f"see what the world sees: mailfleet dns check {inventory} --watch 60")
    except (ProviderError, SecretsError, PlanChangedError, UnreadableValueError) as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(1)
    sys.exit(2 if _blocked(publications) else 0)


def _parts(
    fleet: Fleet, records: Sequence[Record], take: Collection[str], only: Collection[str]
) -> tuple[list[Prepare], list[Record]]:
    """What prepares each zone, and the records that nobody serves."""
    settings = fleet[DnsSettings]
    if unknown := set(only) - settings.zones.keys():
        known = ", ".join(settings.zones) or "none"
        raise ProviderError(f"{min(unknown)} is not in dns_zones, which has {known}")
    if strangers := set(take) - {record.name for record in records}:
        raise ProviderError(f"--take {min(strangers)}: the fleet needs no record of this name")
    by_zone, rest = sort_by_zone(records, settings.zones)
    parts: list[Prepare] = [
        partial(
            prepare, zone, served_zone(fleet, zone), members, settings.owner, settings.ttl, take
        )
        for zone, members in by_zone.items()
        if not only or zone in only
    ]
    if settings.reverse and not only:
        place = HetznerReverse(fleet.value(settings.reverse.token))
        rented = [one for one in rest if one.type == "PTR" and place.rents(one.name)]
        rest = [record for record in rest if record not in rented]
        if rented:
            parts.append(partial(prepare_reverse, place, rented, take))
    return parts, rest


def _show(publication: Publication) -> None:
    plan = publication.plan
    click.echo(click.style(f"{plan.zone} ({publication.place.label})", bold=True))
    for change in plan.changes:
        heading = f"{_SIGNS[change.action]} {change.action} {change.name} {change.type}"
        click.echo(click.style(f"  {heading}", _COLOURS[change.action]))
        for line in _lines(change):
            click.echo(f"      {line}")
    for blocked in plan.blocked:
        record = blocked.record
        click.echo(click.style(f"  ! blocked {record.name} {record.type}", "red"))
        for line in record.lines:
            click.echo(f"      wanted {line}")
        for rrset in blocked.there:
            for line in rrset.lines:
                click.echo(f"      there  {rrset.type} {line}")
        name = record.name
        click.echo(f"      not ours: change it by hand, or take it over with --take {name}")
    for record in publication.unsupported:
        click.echo(
            f"  {record.name} {record.type}: {publication.place.label} has no {record.type} "
            f"records; {record.severity}"
        )
    changed = {(change.name, change.type) for change in plan.changes}
    for slot in sorted(plan.owned_after - plan.owned_before):
        if (slot.name, slot.type) not in changed:
            click.echo(f"  = {slot.name} {slot.type} becomes our own as it is")


def _lines(change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    old = before.lines if before else []
    new = after.lines if after else []
    yield from (f"- {line}" for line in old if line not in new)
    yield from (f"+ {line}" for line in new if line not in old)
    if before and after and before.ttl != after.ttl:
        yield f"TTL {before.ttl} -> {after.ttl}"
    if dropped := dropped_senders(change):
        yield f"no longer may send: {' '.join(dropped)}"


def _show_rest(rest: Sequence[Record]) -> None:
    if not rest:
        return
    click.echo(click.style("in no zone of dns_zones", bold=True))
    for record in rest:
        for line in record.lines:
            click.echo(f"  {record.name}. IN {record.type} {line}")
    click.echo("  set these by hand; `mailfleet dns zone` prints them with their reasons")


def _warn_of_absence(fleet: Fleet, publications: Sequence[Publication]) -> None:
    """Before the first records of a zone: who has looked for them has to forget that first."""
    first = [
        one.plan.zone
        for one in publications
        if one.plan.owner
        and not one.plan.owned_before
        and any(change.action is Action.CREATE for change in one.plan.changes)
    ]
    if not first:
        return
    for zone, seconds in negative_ttls(first, servers_of(fleet[DnsSettings].resolvers)).items():
        click.echo(
            f"{zone}: whoever has looked for these names already, `mailfleet dns check` too, "
            f"remembers for up to {seconds} s that they are not there (RFC 2308). Let Postal and "
            "receivers look after that"
        )


def _stop_if_unsafe(publications: Sequence[Publication], force: bool) -> None:
    reasons = [reason for one in publications if (reason := one.plan.unsafe())]
    if reasons and not force:
        raise PlanChangedError(
            f"{'; '.join(reasons)}. Nothing was changed; if that is what you want, add --force"
        )


def _blocked(publications: Sequence[Publication]) -> int:
    return sum(len(publication.plan.blocked) for publication in publications)


def _summary(publications: Sequence[Publication]) -> str:
    actions = [change.action for one in publications for change in one.plan.changes]
    parts = [f"{actions.count(action)} to {action}" for action in Action]
    return f"{', '.join(parts)}, {_blocked(publications)} blocked"
