"""Rules that span several settings or several hosts."""

import dataclasses
import re
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mailfleet.settings import dns_rules, email_api_rules, mailserver_rules
from mailfleet.settings.dns import DnsSettings
from mailfleet.settings.errors import Problem, problem_at
from mailfleet.settings.fleet import POSTAL_PROCESSES, Fleet, Host
from mailfleet.settings.origin import DEFAULT
from mailfleet.settings.ports import database_is_published, ports_of, postal_fronts
from mailfleet.settings.postal_yml import Problem as YmlProblem
from mailfleet.settings.postal_yml import problems
from mailfleet.settings.postal_yml.configuration import FED_BY, configuration, settings_only
from mailfleet.settings.secrets import SecretsSettings
from mailfleet.settings.sites import sites_of

PER_HOST_POSTAL_KEYS = frozenset(
    {
        "networking",
        "subnet",
        "web_port",
        "web_max_threads",
        "smtp_ports",
        "worker_threads",
        "worker_replicas",
        "worker_stop_seconds",
        "helo_hostname",
        "log_drivers",
        "trusted_proxies",
    }
)


def fleet_problems(fleet: Fleet) -> list[Problem]:
    """Every broken rule, for settings that are valid one by one."""
    return [problem for rule in RULES for problem in rule(fleet)]


def _postal_hosts(fleet: Fleet) -> list[Host]:
    return fleet.with_role(*POSTAL_PROCESSES)


def _one_database(fleet: Fleet) -> Iterator[Problem]:
    databases = fleet.with_role("database")
    if _postal_hosts(fleet) and not databases:
        yield Problem(
            "inventory", "database", "no host has the role database: Postal needs one MariaDB"
        )
    if databases and not _postal_hosts(fleet):
        yield Problem(
            "inventory",
            "database",
            f"{databases[0].name} has this role, but no host has one of Postal",
        )
    if len(databases) > 1:
        names = ", ".join(host.name for host in databases)
        yield Problem("inventory", "database", f"{names}: only one host can have this role")
    if len(databases) == 1 and database_is_published(fleet):
        for host in {host.name: host for host in (*databases, *_postal_hosts(fleet))}.values():
            if len(fleet.hosts) > 1 and _crosses_hosts(fleet) and host.host.private_ipv4 is None:
                yield problem_at(
                    host,
                    "host_private_ipv4",
                    "is required where Postal and its database are on different hosts",
                )


def _crosses_hosts(fleet: Fleet) -> bool:
    return any(not host.has("database") for host in _postal_hosts(fleet))


def _same_postal_settings(fleet: Fleet) -> Iterator[Problem]:
    hosts = _postal_hosts(fleet)
    for host in hosts[1:]:
        first = hosts[0]
        for key, field in type(host.postal).fields_by_key().items():
            if field in PER_HOST_POSTAL_KEYS:
                continue
            if getattr(host.postal, field) != getattr(first.postal, field):
                yield problem_at(
                    host, key, f"differs from {first.name}; all hosts of one Postal share it"
                )


def _postal_networking(fleet: Fleet) -> Iterator[Problem]:
    for host in _postal_hosts(fleet):
        settings = host.postal
        if settings.use_ip_pools and settings.networking != "host":
            yield problem_at(
                host, "postal_use_ip_pools", 'IP pools need postal_networking = "host"'
            )
        if settings.networking == "host" and len(settings.smtp_ports) > 1:
            yield problem_at(
                host,
                "postal_smtp_ports",
                'with postal_networking = "host" the SMTP server listens on one port only',
            )


def _postal_names(fleet: Fleet) -> Iterator[Problem]:
    for host in _postal_hosts(fleet):
        if host.postal.web_hostname in host.postal.track_domains:
            yield problem_at(
                host,
                "postal_track_domains",
                "holds postal_web_hostname: a tracking domain needs a name of its own",
            )


def _postal_yml(fleet: Fleet) -> Iterator[Problem]:
    """Postal itself says nothing about mistakes in its configuration."""
    if not fleet.with_role("database"):
        return  # told by its own rule; without one there is no whole configuration to look at
    masked = dataclasses.replace(fleet, masked=True)
    for host in _postal_hosts(fleet):
        version, overrides = host.postal.version, host.postal.config
        for problem in _group_problems(overrides, version):
            yield _in_postal_config(host, problem)
        of_settings = problems(settings_only(masked, host), version)
        for problem in problems(configuration(masked, host), version):
            if _gives(overrides, problem.path) or problem not in of_settings:
                yield _in_postal_config(host, problem)
            else:
                yield from _in_settings(host, problem)


def secret_problems(fleet: Fleet) -> list[Problem]:
    """Secrets whose values their consumers could not use, such as a password with a quote in it.
    Opens the secret store; messages never show a value. Raises SecretsError."""
    masked = dataclasses.replace(fleet, masked=True)
    of_postal = [
        Problem("secret store", problem.path, f"{problem.message}; {problem.remedy}")
        for host in _postal_hosts(fleet)
        for problem in problems(configuration(fleet, host), host.postal.version)
        if problem not in problems(configuration(masked, host), host.postal.version)
    ]
    return [*of_postal, *mailserver_rules.secret_problems(fleet)]


def _group_problems(overrides: Mapping[str, Any], version: str) -> Iterator[YmlProblem]:
    """Of groups that merging would lose: empty ones, and what is no group at all."""
    for group, content in overrides.items():
        if not content or not isinstance(content, Mapping):
            yield from problems({group: content}, version)


def _key_path(path: str) -> tuple[str, str, str]:
    """Group, key and place in a list: `dns`, `mx_records`, `[1]` of `dns.mx_records[1]`."""
    group, _, name = path.partition(".")
    place = re.search(r"\[\d+\]\Z", name)
    return group, name[: place.start()] if place else name, place[0] if place else ""


def _gives(overrides: Mapping[str, Any], path: str) -> bool:
    group, name, _ = _key_path(path)
    content = overrides.get(group)
    return isinstance(content, Mapping) and name in content


def _in_postal_config(host: Host, problem: YmlProblem) -> Problem:
    group, name, place = _key_path(problem.path)
    key = f'postal_config["{group}"]' + (f'["{name}"]' if name else "") + place
    where = problem_at(host, "postal_config", "").where
    return Problem(where, key, f"{problem.message}; {problem.remedy}")


def _in_settings(host: Host, problem: YmlProblem) -> Iterator[Problem]:
    group, name, place = _key_path(problem.path)
    fed_by = FED_BY.get(f"{group}.{name}", ())
    written = [key for key in fed_by if host.origins[key] != DEFAULT]
    # Defaults are good, but an older Postal may not know one: nothing the operator could mend.
    if written:
        # What is not given is to be set under its own name, not under that of its stand-in.
        key = fed_by[0] if problem.value is None else written[0]
        place = place if key == fed_by[0] else ""
        message = f"{problem.message}; {problem.remedy}"
        yield Problem(host.origins[written[0]], f"{key}{place}", message)


def _caddy_certificates(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("caddy"):
        if host.caddy.tls == "acme" and host.caddy.acme_email is None:
            yield problem_at(
                host, "caddy_acme_email", 'is required with caddy_tls = "acme" (expiry notices)'
            )
        if host.caddy.acme_ca_file and not Path(host.caddy.acme_ca_file).is_file():
            yield problem_at(host, "caddy_acme_ca_file", f"{host.caddy.acme_ca_file}: no such file")
        if not sites_of(fleet, host):
            yield Problem(
                "inventory",
                "caddy",
                f"{host.name} has this role, but no component of the fleet gives it a site",
            )
    if _postal_hosts(fleet) and not postal_fronts(fleet):
        yield Problem("inventory", "caddy", "no host has the role caddy for Postal's web")


def _smtp_certificate(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("postal_smtp"):
        if host.postal.smtp_tls == "caddy" and not host.has("caddy"):
            yield problem_at(
                host,
                "postal_smtp_tls",
                '"caddy" needs the role caddy on the same host; use "given" or "off"',
            )


def _web_behind_another_caddy(fleet: Fleet) -> Iterator[Problem]:
    """Both ends need an address: the web process listens on its own, and lets in Caddy's."""
    pairs = [
        (web, caddy)
        for web in fleet.with_role("postal_web")
        for caddy in postal_fronts(fleet)
        if web.name != caddy.name
    ]
    for web, caddy in pairs:
        if web.host.private_ipv4 is None:
            yield problem_at(
                web, "host_private_ipv4", f"is required: Caddy on {caddy.name} proxies to this host"
            )
        if caddy.host.private_ipv4 is None:
            yield problem_at(
                caddy,
                "host_private_ipv4",
                f"is required: Caddy on this host proxies to {web.name}, whose firewall lets in "
                "that address only",
            )


def _registries(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.hosts.values():
        for registry in host.docker.registries:
            if registry.ca_file and not Path(registry.ca_file).is_file():
                yield problem_at(host, "docker_registries", f"{registry.ca_file}: no such file")
            if bool(registry.username) != bool(registry.password):
                yield problem_at(
                    host, "docker_registries", f"{registry.host}: give username and password, both"
                )


def _port_clashes(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.hosts.values():
        taken = defaultdict(list)
        for use in ports_of(fleet, host):
            taken[use.port, use.protocol].append(use)
        for (port, protocol), uses in taken.items():
            if len(uses) > 1:
                owners = " and ".join(f"{use.component} ({use.key})" for use in uses)
                key = next((use.key for use in uses if use.key in host.origins), uses[0].key)
                yield problem_at(host, key, f"port {port}/{protocol} is taken twice: {owners}")


def _distinct_names(fleet: Fleet) -> Iterator[Problem]:
    names: dict[str, str] = {}
    for host in fleet.hosts.values():
        other = names.setdefault(host.host.fqdn, host.name)
        if other != host.name:
            yield problem_at(host, "host_fqdn", f"{host.host.fqdn} is the name of {other} too")


def _same_everywhere(fleet: Fleet) -> Iterator[Problem]:
    first, *others = fleet.hosts.values()
    for model in (SecretsSettings, DnsSettings):
        for key, value in first.settings(model).values().items():
            for host in others:
                if host.settings(model).values()[key] != value:
                    yield problem_at(
                        host, key, f"differs from {first.name}: set it once, in all.py"
                    )


def _mail_probes(fleet: Fleet) -> Iterator[Problem]:
    """What `mailfleet health --mail` needs goes together."""
    for host in fleet.hosts.values():
        settings = host.health
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
        if host.health.ca_file:
            try:
                ssl.create_default_context(cafile=host.health.ca_file)
            except OSError as error:
                unfit = isinstance(error, ssl.SSLError)
                reason = "no certificate in it" if unfit else error.strerror
                yield problem_at(host, "health_ca_file", f"{host.health.ca_file}: {reason}")


RULES: tuple[Callable[[Fleet], Iterator[Problem]], ...] = (
    _one_database,
    _same_postal_settings,
    _postal_networking,
    _postal_names,
    _postal_yml,
    _caddy_certificates,
    _smtp_certificate,
    _web_behind_another_caddy,
    _registries,
    _port_clashes,
    _distinct_names,
    _same_everywhere,
    *mailserver_rules.RULES,
    _ca_of_probes,
    _mail_probes,
    *email_api_rules.RULES,
    *dns_rules.RULES,
)
