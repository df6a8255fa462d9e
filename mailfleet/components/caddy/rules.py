"""Rules about Caddy that span several settings or several hosts."""

from collections.abc import Iterator
from pathlib import Path

from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.sites import sites_of


def _caddy_certificates(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("caddy"):
        settings = host[CaddySettings]
        if settings.tls == "acme" and settings.acme_email is None:
            yield problem_at(
                host, "caddy_acme_email", 'is required with caddy_tls = "acme" (expiry notices)'
            )
        if settings.acme_ca_file and not Path(settings.acme_ca_file).is_file():
            yield problem_at(host, "caddy_acme_ca_file", f"{settings.acme_ca_file}: no such file")
        if not sites_of(fleet, host):
            yield Problem(
                "inventory",
                "caddy",
                f"{host.name} has this role, but no component of the fleet gives it a site",
            )


RULES: tuple[Rule, ...] = (_caddy_certificates,)
