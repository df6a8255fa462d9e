"""Rules about the settings of health checks."""

import ssl
from collections.abc import Iterator

from mailfleet.components.health.settings import HealthSettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet


def _mail_probes(fleet: Fleet) -> Iterator[Problem]:
    """What `mailfleet health --mail` needs goes together."""
    for host in fleet.hosts.values():
        settings = host[HealthSettings]
        ways = {
            "health_smtp_key": settings.smtp_key,
            "health_api_key": settings.api_key,
            "health_mail_alias": settings.mail_alias,
        }
        if settings.mailbox is None:
            for key in (key for key, value in ways.items() if value):
                yield problem_at(host, key, "needs health_mailbox, where the probe arrives")
            continue
        for key in ("imap_host", "imap_password", "mail_from"):
            if getattr(settings, key) is None:
                yield problem_at(host, f"health_{key}", "is required with health_mailbox")
        if settings.mail_alias and not settings.smtp_key:
            yield problem_at(host, "health_smtp_key", "is required with health_mail_alias")


def _ca_of_probes(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.hosts.values():
        if host[HealthSettings].ca_file:
            try:
                ssl.create_default_context(cafile=host[HealthSettings].ca_file)
            except OSError as error:
                unfit = isinstance(error, ssl.SSLError)
                reason = "no certificate in it" if unfit else error.strerror
                yield problem_at(
                    host, "health_ca_file", f"{host[HealthSettings].ca_file}: {reason}"
                )


RULES: tuple[Rule, ...] = (
    _ca_of_probes,
    _mail_probes,
)
