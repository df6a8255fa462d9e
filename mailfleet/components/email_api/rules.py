"""Rules of the e-mail API that span several settings or several hosts."""

from collections.abc import Iterator
from pathlib import Path

from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet


def _one_api(fleet: Fleet) -> Iterator[Problem]:
    hosts = [host.name for host in fleet.with_role("email_api")]
    if len(hosts) > 1:
        names = ", ".join(hosts)
        yield Problem("inventory", "email_api", f"{names}: only one host can have this role")


def _relay(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("email_api"):
        settings = host[EmailApiSettings]
        if settings.relay_host is None:
            yield problem_at(
                host, "email_api_relay_host", "is required: the relay takes what is forwarded"
            )
        if settings.relay_ca_file and not Path(settings.relay_ca_file).is_file():
            yield problem_at(
                host, "email_api_relay_ca_file", f"{settings.relay_ca_file}: no such file"
            )
        if settings.relay_user and settings.relay_tls == "none":
            yield problem_at(
                host, "email_api_relay_tls", '"none" would send the password in plain text'
            )


def _sender(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("email_api"):
        settings = host[EmailApiSettings]
        if bool(settings.srs_domain) == bool(settings.forward_sender):
            yield problem_at(
                host,
                "email_api_srs_domain",
                "give this or email_api_forward_sender: forwarded mail needs an envelope sender "
                "whose SPF allows the relay",
            )


def _bounces_come_back(fleet: Fleet) -> Iterator[Problem]:
    """Only our mailserver takes bounces to rewritten senders; one of another fleet is not known."""
    mailservers = fleet.with_role("mailserver")
    taken = {domain for host in mailservers for domain in host[MailserverSettings].domains}
    for host in fleet.with_role("email_api"):
        domain = host[EmailApiSettings].srs_domain
        if mailservers and domain and domain not in taken:
            yield problem_at(
                host,
                "email_api_srs_domain",
                f"{domain} is not in mailserver_domains: bounces to rewritten senders would not "
                "come back; add it there (its MX is the mailserver), or take one of those",
            )


def _seal(fleet: Fleet) -> Iterator[Problem]:
    """A mailserver that does not check passes on the results that a sender claims."""
    for host in fleet.with_role("email_api"):
        if host[EmailApiSettings].arc_key is None:
            continue
        mailservers = fleet.with_role("mailserver")
        if len(mailservers) != 1:
            yield problem_at(
                host, "email_api_arc_key", "needs one mailserver, whose findings are sealed"
            )
        for one in mailservers:
            if not (one[MailserverSettings].rspamd or one[MailserverSettings].sender_checks):
                yield problem_at(
                    host,
                    "email_api_arc_key",
                    f"{one.name} checks no senders, so there is nothing to seal: set "
                    "mailserver_rspamd or mailserver_sender_checks",
                )


def _loops(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("email_api"):
        aliases = host[EmailApiSettings].aliases
        for alias, mailboxes in aliases.items():
            if alias in mailboxes:
                yield problem_at(host, "email_api_aliases", f"{alias} leads to itself")


RULES: tuple[Rule, ...] = (
    _one_api,
    _relay,
    _sender,
    _bounces_come_back,
    _seal,
    _loops,
)
