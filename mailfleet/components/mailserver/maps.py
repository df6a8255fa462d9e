"""The maps of the handoff: who is a recipient, and which way mail to it goes."""

from mailfleet.settings.email_api import EmailApiSettings
from mailfleet.settings.mailserver import MailserverSettings

LOCAL_ALIAS = "curl_email"
"""The alias, and the transport of the same name, as the pipeline has always called it."""

NEXT_HOPS = {"pipe": f"{LOCAL_ALIAS}:", "lmtp": "email_api:inet:email-api:2400"}

_HEAD = "# Written by mailfleet.\n"


def _lines(lines: list[str]) -> str:
    return _HEAD + "".join(f"{line}\n" for line in lines)


def domains(settings: MailserverSettings) -> str:
    """A file of a match list (postconf(5), virtual_mailbox_domains)."""
    # Comments of a match list file are whole lines, too.
    return _lines(sorted(settings.domains))


def recipients(api: EmailApiSettings) -> str:
    """Virtual mailbox map, virtual(8): its values do not matter to whom they are handed over."""
    return _lines([f"{alias} api" for alias in sorted(api.aliases)])


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


def local_aliases(settings: MailserverSettings) -> str:
    """postfix-aliases.cf, aliases(5), after the image's own line for root."""
    lines = [f"{name}: root" for name in ("postmaster", "mailer-daemon", "abuse")]
    if settings.handoff == "alias":
        lines.append(f'{LOCAL_ALIAS}: "|/usr/local/bin/curl-email.sh"')
    return _lines(lines)


def receive_access(settings: MailserverSettings) -> str:
    """postfix-receive-access.cf, access(5): clients may write to no local name but the postmaster.
    In particular the alias that hands mail over is no address of its own."""
    host = settings.hostname
    lines = [f"{name}@{host} DUNNO" for name in ("postmaster", "abuse")]
    lines += [f"{name} 550 5.1.1 No mailboxes here" for name in (host, "localhost")]
    if settings.handoff == "alias":
        lines.append(f"{LOCAL_ALIAS}@ 550 5.1.1 No mailbox of this name")
    return _lines(lines)
