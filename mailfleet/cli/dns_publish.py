"""`mailfleet dns publish`: write the records to the zones' DNS providers."""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from ipaddress import ip_address

import click

from mailfleet.cli.dns_records import fleet_and_records_or_exit
from mailfleet.cli.refuse import refuse
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


def _names(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> set[str]:
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
@click.option("-y", "--yes", is_flag=True, help="Apply the plan without asking.")
@click.option(
    "--zone", "zones", multiple=True, help="Publish this zone of dns_zones only; repeatable."
)
@click.option(
    "--take",
    multiple=True,
    callback=_names,
    metavar="NAME",
    help="Take over the records of this name (or the PTR record of this address), whoever created "
    "them; repeatable.",
)
@click.option(
    "--force", is_flag=True, help="Allow changing more than 30 % of the managed records of a zone."
)
def publish(
    inventory: str, dry: bool, yes: bool, zones: Sequence[str], take: set[str], force: bool
) -> None:
    """Publish the records to the zones in dns_zones.

    Shows a plan and asks for confirmation. Only records managed by this fleet are changed or
    deleted; the TXT record _mailfleet of each zone lists them.

    Exit codes: 0 all records are published; 1 usage or configuration error, or a zone cannot be
    read or written; 2 changes are pending (--dry) or records conflict with those of others."""
    fleet, records = fleet_and_records_or_exit(inventory)
    try:
        parts, rest = _parts(fleet, records, take, zones)
        publications = [part() for part in parts]
        for publication in publications:
            _show(publication)
        _show_rest(rest)
        _stop_if_unsafe(publications, force)
        _warn_of_cached_absence(fleet, publications)
        pending = [one for one in publications if not one.plan.empty]
        click.echo(_summary(publications))
        if not pending or dry or not (yes or click.confirm("Apply?")):
            sys.exit(2 if pending or _conflicts(publications) else 0)
        for publication, part in zip(publications, parts, strict=True):
            if not publication.plan.empty:
                apply(publication, part)
                click.echo(f"{publication.plan.zone}: published")
        # Resolvers may still cache that names do not exist (RFC 2308).
        click.echo(f"next: mailfleet dns check {inventory} --watch 60")
    except (ProviderError, SecretsError, PlanChangedError, UnreadableValueError) as error:
        refuse(str(error))
    sys.exit(2 if _conflicts(publications) else 0)


def _parts(
    fleet: Fleet, records: Sequence[Record], take: Collection[str], only: Collection[str]
) -> tuple[list[Prepare], list[Record]]:
    """Functions that read and plan each zone, and the records of no configured zone."""
    settings = fleet[DnsSettings]
    if unknown := set(only) - settings.zones.keys():
        known = ", ".join(settings.zones) or "none"
        raise ProviderError(f"{min(unknown)} is not in dns_zones (configured: {known})")
    if unknown_names := set(take) - {record.name for record in records}:
        raise ProviderError(f"--take {min(unknown_names)}: the fleet has no record with this name")
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
    for conflict in plan.conflicts:
        record = conflict.record
        click.echo(click.style(f"  ! conflict {record.name} {record.type}", "red"))
        for line in record.lines:
            click.echo(f"      desired  {line}")
        for rrset in conflict.existing:
            for line in rrset.lines:
                click.echo(f"      existing {rrset.type} {line}")
        click.echo(
            f"      not managed by this fleet: change it by hand, or use --take {record.name}"
        )
    for record in publication.unsupported:
        click.echo(
            f"  {record.name} {record.type}: {publication.place.label} does not support "
            f"{record.type} records ({record.severity})"
        )
    changed = {(change.name, change.type) for change in plan.changes}
    for key in sorted(plan.owned_after - plan.owned_before):
        if (key.name, key.type) not in changed:
            click.echo(f"  = {key.name} {key.type} is taken over unchanged")


def _lines(change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    old = before.lines if before else []
    new = after.lines if after else []
    yield from (f"- {line}" for line in old if line not in new)
    yield from (f"+ {line}" for line in new if line not in old)
    if before and after and before.ttl != after.ttl:
        yield f"TTL {before.ttl} -> {after.ttl}"
    if dropped := dropped_senders(change):
        yield f"no longer allowed to send: {' '.join(dropped)}"


def _show_rest(rest: Sequence[Record]) -> None:
    if not rest:
        return
    click.echo(click.style("in none of dns_zones", bold=True))
    for record in rest:
        for line in record.lines:
            click.echo(f"  {record.name}. IN {record.type} {line}")
    click.echo("  set these by hand; `mailfleet dns zone` prints them with the reasons")


def _warn_of_cached_absence(fleet: Fleet, publications: Sequence[Publication]) -> None:
    """Before the first records of a zone: resolvers may have cached that they do not exist."""
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
            f"{zone}: resolvers that were queried for these names before, also by `mailfleet dns "
            f"check`, cache for up to {seconds} s that they do not exist (RFC 2308)"
        )


def _stop_if_unsafe(publications: Sequence[Publication], force: bool) -> None:
    reasons = [reason for one in publications if (reason := one.plan.unsafe())]
    if reasons and not force:
        raise PlanChangedError(
            f"{'; '.join(reasons)}. Nothing was changed; to change them all, add --force"
        )


def _conflicts(publications: Sequence[Publication]) -> int:
    return sum(len(publication.plan.conflicts) for publication in publications)


def _summary(publications: Sequence[Publication]) -> str:
    actions = [change.action for one in publications for change in one.plan.changes]
    parts = [f"{actions.count(action)} to {action}" for action in Action]
    return f"{', '.join(parts)}, {_conflicts(publications)} conflicting"
