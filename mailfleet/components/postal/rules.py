"""Rules about Postal that span several settings or several hosts."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mailfleet.components.postal.ports import postal_fronts
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.components.postal.yml import Problem as YmlProblem
from mailfleet.components.postal.yml import problems
from mailfleet.components.postal.yml.configuration import FED_BY, configuration, settings_only
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.origin import DEFAULT
from mailfleet.fleet.settings import HostSettings

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


def _same_postal_settings(fleet: Fleet) -> Iterator[Problem]:
    hosts = postal_hosts(fleet)
    for host in hosts[1:]:
        first = hosts[0]
        for key, field in type(host[PostalSettings]).fields_by_key().items():
            if field in PER_HOST_POSTAL_KEYS:
                continue
            if getattr(host[PostalSettings], field) != getattr(first[PostalSettings], field):
                yield problem_at(
                    host, key, f"differs from {first.name}; all hosts of one Postal share it"
                )


def _postal_networking(fleet: Fleet) -> Iterator[Problem]:
    for host in postal_hosts(fleet):
        settings = host[PostalSettings]
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
    for host in postal_hosts(fleet):
        if host[PostalSettings].web_hostname in host[PostalSettings].track_domains:
            yield problem_at(
                host,
                "postal_track_domains",
                "holds postal_web_hostname: a tracking domain needs a name of its own",
            )


def _postal_yml(fleet: Fleet) -> Iterator[Problem]:
    """Postal itself does not report mistakes in its configuration."""
    if not fleet.with_role("database"):
        return  # reported by its own rule; without one there is no complete configuration to check
    masked = dataclasses.replace(fleet, masked=True)
    for host in postal_hosts(fleet):
        version, overrides = host[PostalSettings].version, host[PostalSettings].config
        for problem in _group_problems(overrides, version):
            yield _in_postal_config(host, problem)
        of_settings = problems(settings_only(masked, host), version)
        for problem in problems(configuration(masked, host), version):
            if _gives(overrides, problem.path) or problem not in of_settings:
                yield _in_postal_config(host, problem)
            else:
                yield from _in_settings(host, problem)


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
    depends_on = FED_BY.get(f"{group}.{name}", ())
    written = [key for key in depends_on if host.origins[key] != DEFAULT]
    # Defaults are good, but an older Postal may not know one: nothing the operator could mend.
    if written:
        # What is not given is to be set under its own name, not under that of its stand-in.
        key = depends_on[0] if problem.value is None else written[0]
        place = place if key == depends_on[0] else ""
        message = f"{problem.message}; {problem.remedy}"
        yield Problem(host.origins[written[0]], f"{key}{place}", message)


def _has_a_caddy(fleet: Fleet) -> Iterator[Problem]:
    if postal_hosts(fleet) and not postal_fronts(fleet):
        yield Problem("inventory", "caddy", "no host has the role caddy for Postal's web")


def _smtp_certificate(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("postal_smtp"):
        if host[PostalSettings].smtp_tls == "caddy" and not host.has("caddy"):
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
        if web[HostSettings].private_ipv4 is None:
            yield problem_at(
                web, "host_private_ipv4", f"is required: Caddy on {caddy.name} proxies to this host"
            )
        if caddy[HostSettings].private_ipv4 is None:
            yield problem_at(
                caddy,
                "host_private_ipv4",
                f"is required: Caddy on this host proxies to {web.name}, whose firewall lets in "
                "that address only",
            )


def secret_problems(fleet: Fleet) -> Iterator[Problem]:
    """Secrets that postal.yml could not hold. Raises SecretsError."""
    masked = dataclasses.replace(fleet, masked=True)
    for host in postal_hosts(fleet):
        version = host[PostalSettings].version
        of_masks = problems(configuration(masked, host), version)
        for problem in problems(configuration(fleet, host), version):
            if problem not in of_masks:
                yield Problem("secret store", problem.path, f"{problem.message}; {problem.remedy}")


RULES: tuple[Rule, ...] = (
    _same_postal_settings,
    _postal_networking,
    _postal_names,
    _postal_yml,
    _has_a_caddy,
    _smtp_certificate,
    _web_behind_another_caddy,
)
