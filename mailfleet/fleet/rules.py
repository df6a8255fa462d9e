"""Rules that span several settings or several hosts: the fleet's own, then those of components."""

from collections import defaultdict
from collections.abc import Iterator

from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.ports import ports_of


def fleet_problems(fleet: Fleet) -> list[Problem]:
    """Every violated rule, for settings that are valid one by one."""
    own = (_port_clashes, _distinct_names, _same_everywhere)
    rules = [rule for definition in fleet.schema.definitions for rule in definition.rules]
    return [problem for rule in (*own, *rules) for problem in rule(fleet)]


def secret_problems(fleet: Fleet) -> list[Problem]:
    """Secrets whose values their consumers could not use, such as a password with a quote in it.
    Opens the secret store; messages never show a value. Raises SecretsError."""
    rules = [rule for definition in fleet.schema.definitions for rule in definition.secret_rules]
    return [problem for rule in rules for problem in rule(fleet)]


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
        other = names.setdefault(host.fqdn, host.name)
        if other != host.name:
            yield problem_at(host, "host_fqdn", f"{host.fqdn} is the name of {other} too")


def _same_everywhere(fleet: Fleet) -> Iterator[Problem]:
    first, *others = fleet.hosts.values()
    for model in (model for model in fleet.schema.models if model.fleet_wide):
        for key, value in first[model].values().items():
            for host in others:
                if host[model].values()[key] != value:
                    yield problem_at(
                        host, key, f"differs from {first.name}: set it once, in all.py"
                    )
