"""Rules about the database that span several settings or several hosts."""

from collections.abc import Iterator

from mailfleet.components.mariadb.settings import database_is_published
from mailfleet.components.postal.settings import postal_hosts
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.settings import HostSettings


def _one_database(fleet: Fleet) -> Iterator[Problem]:
    databases = fleet.with_role("database")
    if postal_hosts(fleet) and not databases:
        yield Problem(
            "inventory", "database", "no host has the role database: Postal needs one MariaDB"
        )
    if databases and not postal_hosts(fleet):
        yield Problem(
            "inventory",
            "database",
            f"{databases[0].name} has this role, but no host has one of Postal",
        )
    if len(databases) > 1:
        names = ", ".join(host.name for host in databases)
        yield Problem("inventory", "database", f"{names}: only one host can have this role")
    if len(databases) == 1 and database_is_published(fleet):
        for host in {host.name: host for host in (*databases, *postal_hosts(fleet))}.values():
            if (
                len(fleet.hosts) > 1
                and _crosses_hosts(fleet)
                and host[HostSettings].private_ipv4 is None
            ):
                yield problem_at(
                    host,
                    "host_private_ipv4",
                    "is required where Postal and its database are on different hosts",
                )


def _crosses_hosts(fleet: Fleet) -> bool:
    return any(not host.has("database") for host in postal_hosts(fleet))


RULES: tuple[Rule, ...] = (_one_database,)
