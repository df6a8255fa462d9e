"""The maps of the handoff: who is a recipient, and which way mail to it goes."""

import re
from urllib.parse import quote

from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.mailserver.settings import MailserverSettings

LOCAL_ALIAS = "curl_email"
"""The alias, and the transport of the same name, as the pipeline has always called it."""

NEXT_HOPS = {"pipe": f"{LOCAL_ALIAS}:", "lmtp": "email_api:inet:email-api:2400"}

_HEAD = "# Written by mailfleet.\n"
_SRS = r"SRS0[=+-][a-z2-7]{10}=[a-z2-7]{2}=[^=@]+=[^@]*"
"""Local part of a rewritten sender (files/email-api/email_api/senders.py)."""


def _lines(lines: list[str]) -> str:
    return _HEAD + "".join(f"{line}\n" for line in lines)


def domains(settings: MailserverSettings) -> str:
    """A file of a match list (postconf(5), virtual_mailbox_domains)."""
    # Comments of a match list file are whole lines, too.
    return _lines(sorted(settings.domains))


def recipients(api: EmailApiSettings) -> str:
    """Virtual mailbox map, virtual(8): its values do not matter to whom they are handed over."""
    return _lines([f"{alias} api" for alias in sorted(api.aliases)])


def srs_domain(settings: MailserverSettings, api: EmailApiSettings) -> str | None:
    """The domain of rewritten senders, if this mailserver takes the bounces to them."""
    return api.srs_domain if api.srs_domain in settings.domains else None


def bounces(settings: MailserverSettings, api: EmailApiSettings) -> str | None:
    """Rewritten senders and which way bounces to them go, pcre_table(5): transport and recipient
    map in one, or for the local alias postfix-regexp.cf."""
    domain = srs_domain(settings, api)
    if domain is None:
        return None
    target = LOCAL_ALIAS if settings.handoff == "alias" else NEXT_HOPS[settings.handoff]
    return _lines([f"/^{_SRS}@{re.escape(domain)}$/ {target}"])


def transport(settings: MailserverSettings, api: EmailApiSettings) -> str:
    """transport(5): aliases go to the API, accounts stay where they are."""
    next_hop = NEXT_HOPS[settings.handoff]
    lines = [f"{alias.removeprefix('@')} {next_hop}" for alias in sorted(api.aliases)]
    return _lines([*lines, *(f"{account} :" for account in _shadowed(settings, api))])


def virtual(settings: MailserverSettings, api: EmailApiSettings) -> str:
    """postfix-virtual.cf. Only the local alias needs it: a key's domain becomes a mailbox domain
    of the image's own."""
    if settings.handoff != "alias":
        return _lines([])
    lines = [f"{alias} {LOCAL_ALIAS}" for alias in sorted(api.aliases)]
    return _lines([*lines, *(f"{account} {account}" for account in _shadowed(settings, api))])


def _shadowed(settings: MailserverSettings, api: EmailApiSettings) -> list[str]:
    """Accounts that a catch-all of their domain would take the mail of."""
    return sorted(
        account.lower()
        for account in settings.accounts
        if f"@{account.rpartition('@')[2]}" in api.aliases and account.lower() not in api.aliases
    )


def local_aliases(settings: MailserverSettings, api: EmailApiSettings) -> str:
    """postfix-aliases.cf, aliases(5), after the image's own line for root."""
    target = "root"
    script = "/usr/local/bin/curl-email.sh"
    if settings.handoff == "alias" and _is_alias(settings.postmaster, settings, api):
        # By way of root it would reach the API as mail to a local name, which is no alias there.
        # Percent-encoded, as the API takes it: the shell sees nothing to interpret.
        target = f'"|{script} {quote(settings.postmaster, safe="@")}"'
    lines = [f"{name}: {target}" for name in ("postmaster", "mailer-daemon", "abuse")]
    if settings.handoff == "alias":
        lines.append(f'{LOCAL_ALIAS}: "|{script}"')
    return _lines(lines)


def _is_alias(address: str, settings: MailserverSettings, api: EmailApiSettings) -> bool:
    """Whether mail to an address is handed to the API."""
    address = address.lower()
    domain = f"@{address.rpartition('@')[2]}"
    return address in api.aliases or (
        domain in api.aliases and address not in _shadowed(settings, api)
    )


def receive_access(settings: MailserverSettings, api: EmailApiSettings) -> str:
    """postfix-receive-access.cf, access(5): clients may write to no local name but the postmaster,
    and to rewritten senders only what is a bounce. In particular the alias that hands mail over is
    no address of its own."""
    host = settings.hostname
    lines = [f"{name}@{host} DUNNO" for name in ("postmaster", "abuse")]
    lines += [f"{name} 550 5.1.1 No mailboxes here" for name in (host, "localhost")]
    if settings.handoff == "alias":
        lines.append(f"{LOCAL_ALIAS}@ 550 5.1.1 No mailbox of this name")
    if domain := srs_domain(settings, api):
        lines.append(f"{domain} rewritten_sender")
    return _lines(lines)
