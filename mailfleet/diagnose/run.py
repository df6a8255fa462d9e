"""The walk over a fleet: every host in one round trip, and the ports as applications see them."""

import smtplib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter

import gevent
from pyinfra.api.host import Host as PyinfraHost

from mailfleet.checks.probe import one_line
from mailfleet.checks.relay import relay_host
from mailfleet.checks.sections import Section, Sections
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.components.registry import SCHEMA
from mailfleet.deploying.records import desired_records
from mailfleet.diagnose.diagnosis import Diagnosis
from mailfleet.diagnose.evidence import Evidence, Way, of_host, of_log
from mailfleet.diagnose.judge import diagnose
from mailfleet.diagnose.questions import HOURS, postal_names, questions
from mailfleet.dns.checks.check_run import run_checks, servers_of
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources
from mailfleet.fleet.settings import HostSettings
from mailfleet.transport import HostQuery, Unreachable

_TCP_SECONDS = 5
_DNS_SECONDS = 20.0


def why(
    inventory: str,
    to: str,
    message_id: str | None = None,
    log: Sequence[str] = (),
    sudo: bool = False,
) -> Diagnosis:
    """Why mail to an address did not arrive. `log` is what the application's own log says.
    Raises SettingsError."""
    loaded = load_inventory(inventory)
    fleet = fleet_of(loaded, Sources(inventory), SCHEMA)
    jobs = [
        gevent.spawn(_way, host, port)
        for host in fleet.with_role("postal_smtp")
        for port in host[PostalSettings].smtp_ports
        if host[HostSettings].public_ipv4
    ]

    def ask(host: PyinfraHost) -> Evidence:
        wanted = questions(fleet, fleet.hosts[host.name], to, message_id)
        sections: dict[str, Section] = host.get_fact(Sections, commands=wanted) or {}
        return of_host(host.name, sections, to)

    answers = HostQuery(loaded, list(fleet.hosts), ask, sudo=sudo).run()
    gevent.joinall(jobs)
    evidence = _together(to, answers, [job.value for job in jobs], log)
    senders = fleet.with_role("postal_worker")
    relays = {relay_host(url) for host in senders for url in host[PostalSettings].relays}
    forwarders = fleet.with_role("email_api")
    return diagnose(
        replace(
            evidence,
            relays=tuple(relays),
            # With a Message-ID it is the one, however old.
            since=0.0 if message_id else time.time() - HOURS * 3600,
            api_relays={one.name: one[EmailApiSettings].relay_host or "" for one in forwarders},
            postal_names=postal_names(fleet),
            nobody_answers=not any(isinstance(one, Evidence) for one in answers.values()),
        )
    )


def _together(
    to: str,
    answers: dict[str, Evidence | Unreachable],
    ways: Sequence[Way],
    log: Sequence[str],
) -> Evidence:
    answered = {name: one for name, one in answers.items() if isinstance(one, Evidence)}
    found = list(answered.values())
    return Evidence(
        to=to,
        messages=tuple(it for one in found for it in one.messages),
        suppressed=tuple(it for one in found for it in one.suppressed),
        redirects=tuple(it for one in found for it in one.redirects),
        # The last failure counts: of several containers the one that was latest.
        application=(
            *sorted((it for one in found for it in one.application), key=attrgetter("at")),
            *of_log(log),
        ),
        refused_logins=tuple(it for one in found for it in one.refused_logins),
        ways=tuple(_with_its_host(way, answered.get(way.host)) for way in ways),
        unanswered=(
            *(it for one in found for it in one.unanswered),
            *(
                f"{name}: {one.finding}: {one.remedy}"
                for name, one in answers.items()
                if isinstance(one, Unreachable)
            ),
        ),
    )


def _with_its_host(way: Way, evidence: Evidence | None) -> Way:
    """A firewall can hide from here that nobody listens."""
    if evidence is None or evidence.listening is None:
        return way
    return replace(way, listening=way.port in evidence.listening)


def _way(host: Host, port: int) -> Way:
    address = str(host[HostSettings].public_ipv4)
    way = partial(Way, host.name, address, port)
    try:
        with smtplib.SMTP(
            address, port, local_hostname="probe.invalid", timeout=_TCP_SECONDS
        ) as server:
            server.ehlo()
    except ConnectionRefusedError:
        return way("refused")
    except TimeoutError:
        return way("timeout")
    except (ConnectionError, smtplib.SMTPException) as error:
        return way(one_line(error))
    except OSError as error:
        # No route to it, no network: that is not Postal's doing.
        return way(one_line(error), reached=False)
    return way("")


def dns_of(fleet: Fleet, family: str, servers: Sequence[Address] = ()) -> list[Finding]:
    """What DNS says of the rule behind a refusal: findings of one family of checks that do not
    hold. Raises NoServerAnswersError, SecretsError and ConflictingRecordsError."""
    live = run_checks(
        desired_records(fleet, ()),
        servers or servers_of(fleet[DnsSettings].resolvers),
        Limits(seconds=_DNS_SECONDS),
        fleet[DnsSettings].blocklists if family == "blocklist" else (),
    )
    return [
        one
        for one in live.findings
        if one.check.partition(".")[0] == family and one.verdict in (Verdict.FAIL, Verdict.WARN)
    ]
