"""Rules of DNS that span several settings or several hosts."""

from collections.abc import Iterator

from mailfleet.components.postal.settings import postal_hosts
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.mx import given_certificates, mx_hosts


def _policies_are_served_by_a_caddy(fleet: Fleet) -> Iterator[Problem]:
    first = next(iter(fleet.hosts.values()))
    servers = [host.name for host in fleet.with_role("caddy")]
    for domain, policy in fleet[DnsSettings].mta_sts.items():
        if policy.served_by and policy.served_by not in servers:
            known = f"one of {', '.join(servers)}" if servers else "a host with that role"
            yield problem_at(
                first,
                "dns_mta_sts",
                f'{domain}: served_by = "{policy.served_by}" is no host with the role caddy: name '
                f"{known}",
            )


def _policies_name_mx_hosts(fleet: Fleet) -> Iterator[Problem]:
    """A policy of none would keep all mail away (RFC 8461 section 3.2)."""
    if postal_hosts(fleet) and not fleet.with_role("database"):
        return  # reported by its own rule; without one Postal's names are not known
    first = next(iter(fleet.hosts.values()))
    for domain, policy in fleet[DnsSettings].mta_sts.items():
        if policy.mode != "none" and not policy.more_mx and not mx_hosts(fleet, domain):
            yield problem_at(
                first,
                "dns_mta_sts",
                f"{domain} has no MX host in this fleet: set more_mx to its MX hosts",
            )


def _dane_needs_a_given_certificate(fleet: Fleet) -> Iterator[Problem]:
    first = next(iter(fleet.hosts.values()))
    given = given_certificates(fleet)
    for name in fleet[DnsSettings].dane:
        if name not in given:
            yield problem_at(
                first,
                "dns_dane",
                f"{name} is no mail server with a given certificate: mailserver_tls or "
                'postal_smtp_tls must be "given" there',
            )


def _submission_needs_a_mailserver(fleet: Fleet) -> Iterator[Problem]:
    first = next(iter(fleet.hosts.values()))
    if fleet[DnsSettings].submission_domains and not fleet.with_role("mailserver"):
        yield problem_at(first, "dns_submission_domains", "no host has the role mailserver")


RULES: tuple[Rule, ...] = (
    _policies_are_served_by_a_caddy,
    _policies_name_mx_hosts,
    _dane_needs_a_given_certificate,
    _submission_needs_a_mailserver,
)
