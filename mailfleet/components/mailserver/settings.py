"""Settings of `mailserver`: docker-mailserver, which takes mail in."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import EmailAddress, HostName, Image, Port, Tag, Text
from mailfleet.secrets import SecretRef, secret
from mailfleet.secrets.generate import random_hex, rsa_key

TESTED_VERSIONS = ("15.1.0", "16.0.1")

FIXED_ENVIRONMENT = {
    "ENABLE_QUOTAS": "with quotas the image looks every recipient up among the accounts, and "
    "16.0.0 refuses all aliases so",
    "ENABLE_AMAVIS": "behind Amavis the envelope recipient is lost, several recipients become one "
    "handoff, and mail without a Date header bounces; use mailserver_rspamd",
    "ENABLE_SRS": "it would rewrite the envelope sender before the API sees it",
    "SMTP_ONLY": "it turns submission off; use mailserver_accounts",
    "PERMIT_DOCKER": "any other value than `none` can make an open relay of the host",
    "ONE_DIR": "the image has dropped it; state is in /var/mail-state",
    "LOG_LEVEL": "debug and trace print secrets into the log",
    "POSTFIX_DAGENT": "the handoff decides how mail is delivered; use mailserver_handoff",
    "ENABLE_RSPAMD": "use mailserver_rspamd",
    "ENABLE_CLAMAV": "use mailserver_clamav",
    "ENABLE_FAIL2BAN": "use mailserver_fail2ban",
    "ENABLE_DNSBL": "use mailserver_dnsbl",
    "ENABLE_OPENDKIM": "use mailserver_dkim",
    "ENABLE_OPENDMARC": "use mailserver_sender_checks",
    "ENABLE_POLICYD_SPF": "use mailserver_sender_checks",
    "POSTSCREEN_ACTION": "use mailserver_postscreen",
    "SPOOF_PROTECTION": "use mailserver_spoof_protection",
    "POSTFIX_MESSAGE_SIZE_LIMIT": "use mailserver_max_message_mb",
    "POSTMASTER_ADDRESS": "use mailserver_postmaster",
    "SSL_TYPE": "use mailserver_tls",
    "SSL_CERT_PATH": "use mailserver_tls",
    "SSL_KEY_PATH": "use mailserver_tls",
    "OVERRIDE_HOSTNAME": "use mailserver_hostname",
    "DEFAULT_RELAY_HOST": "use mailserver_relay_host",
    "RELAY_HOST": "use mailserver_relay_host",
    "RELAY_USER": "use mailserver_relay_user",
    "RELAY_PASSWORD": "use mailserver_relay_password",
    "PSK": "it is the secret email_api_psk, kept out of the container's environment",
    "SMTP_PASS": "use mailserver_accounts",
}
"""Variables of the image that are not free, with what to do instead or why."""

FIXED_POSTFIX = {
    "transport_maps": "the handoff owns it",
    "virtual_mailbox_domains": "the handoff owns it",
    "virtual_mailbox_maps": "the handoff owns it",
    "virtual_alias_maps": "the image owns it",
    "smtpd_restriction_classes": "the addresses that take bounces own it",
    "smtpd_recipient_restrictions": "it keeps the host from being an open relay",
    "smtpd_relay_restrictions": "it keeps the host from being an open relay",
    "mynetworks": "whoever is in it may relay",
    "message_size_limit": "use mailserver_max_message_mb",
    "relayhost": "use mailserver_relay_host",
    "soft_bounce": "mail that can never be delivered would stay in the queue",
    "milter_default_action": "mail would pass unchecked and unsigned while a filter starts",
    "minimal_backoff_time": "use mailserver_retry_seconds",
    "maximal_backoff_time": "use mailserver_retry_max_seconds",
}
"""Parameters of Postfix that are not free, with what to do instead or why."""


def _free(fixed: dict[str, str]) -> AfterValidator:
    def check(value: dict[str, str]) -> dict[str, str]:
        for name in value:
            plain = name.removesuffix("__FILE")
            if plain in fixed:
                raise ValueError(f"{name} cannot be set here: {fixed[plain]}")
        return value

    return AfterValidator(check)


def _variables(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{name}: not the name of a variable")
        if "'" in text:
            raise ValueError(f"{name}: a single quote would end the value in mailserver.env")
    return value


def _service_parameters(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name.count("/") != 2 or not name[:1].islower():
            raise ValueError(f"{name}: write service/type/parameter, as `postconf -P` has it")
    return value


class MailserverSettings(ComponentSettings):
    """docker-mailserver takes mail in, refuses unknown recipients, and hands the rest to the
    e-mail API. Applications submit to it with a password."""

    prefix: ClassVar[str] = "mailserver_"

    image: Image = Field(
        default="ghcr.io/docker-mailserver/docker-mailserver",
        description="Image name, without tag.",
    )
    version: Tag = Field(
        default="16.0.1",
        description="Image tag. 16.0.0 is refused: its quota check rejects aliases. Versions "
        "outside the tested set deploy with a warning.",
    )
    hostname: HostName = Field(
        description="Name in banner, HELO and certificate; the MX records lead to it. It must not "
        "be one of mailserver_domains."
    )
    domains: Annotated[list[HostName], Field(min_length=1)] = Field(
        description="Domains whose mail is handed to the e-mail API."
    )
    postmaster: EmailAddress = Field(
        description="Where mail to postmaster and root goes: an alias, an account, or an address "
        "elsewhere."
    )
    accounts: Annotated[dict[EmailAddress, SecretRef], Field(min_length=1)] = Field(
        description="Users of submission (587 and 465): address -> password, such as "
        '{"app@example.com": secret("mailserver/app", generate.password())}. The image needs at '
        "least one. Only a hash leaves this machine, except for the first account's: the health "
        "probe logs in with it.",
    )
    account_salt: SecretRef = Field(
        default=secret("mailserver/account_salt", random_hex(32)),
        description="Key from which each account's salt is derived, so that hashes are stable.",
    )

    # Handoff
    handoff: Literal["alias", "pipe", "lmtp"] = Field(
        default="pipe",
        description="How mail reaches the API: `pipe`, one process of curl per recipient; `lmtp`, "
        "straight from Postfix; `alias`, the older way by a local alias.",
    )
    handoff_processes: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Handoffs at a time. Default: 10; with `lmtp` 20, as Postfix has it by itself. "
        "With `pipe` and `alias` each is a process that holds its message in memory.",
    )
    handoff_seconds: Annotated[int, Field(ge=10, le=900)] = Field(
        default=60, description="Seconds that the API has to answer."
    )
    permanent_refusals: list[Literal[400, 413, 415, 422]] = Field(
        default=[413],
        description="Answers of the API for which `pipe` returns mail to its sender; all other "
        "failures keep it in the queue.",
    )
    api_address: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$")] | None = Field(
        default=None,
        description="Address of the e-mail API. Default: the host with the role email_api.",
    )
    retry_seconds: Annotated[int, Field(ge=5)] = Field(
        default=30, description="Seconds before deferred mail is tried again at first."
    )
    retry_max_seconds: Annotated[int, Field(ge=60)] = Field(
        default=900, description="Seconds between two tries at most."
    )

    # TLS
    tls: Literal["caddy", "given"] = Field(
        default="caddy",
        description="The certificate that Caddy holds for mailserver_hostname, or a given one. A "
        "renewal is served without a restart.",
    )
    certificate: SecretRef = Field(
        default=secret("mailserver/certificate"), description="Chain (PEM) used with `given`."
    )
    certificate_key: SecretRef = Field(
        default=secret("mailserver/certificate_key"), description="Its private key (PEM)."
    )

    # What is let in
    max_message_mb: Annotated[int, Field(ge=1, le=200)] = Field(
        default=25, description="Largest message (MB); less than email_api_max_message_mb."
    )
    postscreen: Literal["enforce", "drop", "ignore"] = Field(
        default="enforce",
        description="What happens to clients that talk before the greeting. The first contact of "
        "an address waits six seconds.",
    )
    dnsbl: bool = Field(
        default=False,
        description="Ask DNS block lists; needs a resolver that is not a public one.",
    )
    spoof_protection: bool = Field(
        default=True, description="Users may send under their own address only."
    )
    rspamd: bool = Field(
        default=False, description="Filter mail with Rspamd, which adds headers to it."
    )
    clamav: bool = Field(
        default=False, description="Look for viruses; needs mailserver_rspamd and 2 GB of memory."
    )
    sender_checks: bool = Field(
        default=False,
        description="Without Rspamd: refuse mail that fails SPF or its domain's DMARC policy.",
    )
    fail2ban: bool = Field(
        default=False,
        description="Ban addresses after failed logins; needs the capability NET_ADMIN.",
    )

    # Sending
    dkim: bool = Field(default=True, description="Sign what users submit.")
    dkim_selector: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")] = Field(
        default="mail", description="Selector of the DKIM record."
    )
    dkim_key: SecretRef = Field(
        default=secret("mailserver/dkim_key", rsa_key(2048)),
        description="RSA key for all domains of the accounts.",
    )
    relay_host: HostName | None = Field(
        default=None, description="Smarthost for all mail that leaves; none: straight to the MX."
    )
    relay_port: Port = Field(default=587, description="Its port.")
    relay_user: Text | None = Field(default=None, description="User there; none: no login.")
    relay_password: SecretRef = Field(
        default=secret("mailserver/relay_password"), description="Its password."
    )

    # The image's own knobs
    environment: Annotated[
        dict[Text, Text], AfterValidator(_variables), _free(FIXED_ENVIRONMENT)
    ] = Field(default={}, description="Further variables of the image, such as TZ.")
    postfix_main: Annotated[dict[Text, Text], _free(FIXED_POSTFIX)] = Field(
        default={}, description="Further parameters for main.cf; a change recreates the container."
    )
    postfix_master: Annotated[dict[Text, Text], AfterValidator(_service_parameters)] = Field(
        default={},
        description='Parameters for services of master.cf: {"submission/inet/smtpd_client_'
        'connection_count_limit": "20"}; a change recreates the container.',
    )

    @property
    def handoffs_at_a_time(self) -> int:
        return self.handoff_processes or (20 if self.handoff == "lmtp" else 10)

    @property
    def probe_account(self) -> str:
        """The account whose login health probes try."""
        return next(iter(self.accounts))

    @property
    def sending_domains(self) -> list[str]:
        """Domains that users submit from."""
        return sorted({address.rpartition("@")[2] for address in self.accounts})

    @override
    def unused_secrets(self) -> set[str]:
        unused = set()
        if self.tls != "given":
            unused |= {"mailserver_certificate", "mailserver_certificate_key"}
        if self.relay_user is None:
            unused.add("mailserver_relay_password")
        if not self.dkim:
            unused.add("mailserver_dkim_key")
        return unused
