"""The e-mail API's aliases, and its password in its database: from what both say to converge's own
questions."""

from collections.abc import Iterator

from mailfleet.components.email_api import NAME
from mailfleet.components.email_api.aliases import FACT as ALIASES
from mailfleet.components.email_api.aliases import digest
from mailfleet.components.email_api.database import FACT as PASSWORD
from mailfleet.components.email_api.database import USER
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import DEPLOY, Difference, Kind
from mailfleet.drift.look import container_runs
from mailfleet.settings.fleet import Fleet, Host

_api_runs = container_runs("email-api", "api")
_database_runs = container_runs("email-api", "database")


def in_force(fleet: Fleet, host: Host, seen: Observation) -> Iterator[Difference]:
    """What differs in what runs; of the rest nothing is known."""
    wanted = host.email_api.aliases
    if _api_runs(seen):
        told = seen.fact(NAME, ALIASES)
        if not told:
            yield _unknown("aliases", "email-api")
        elif told != digest(wanted):
            described = f"the {len(wanted)} that are described"
            yield Difference(Kind.ALIAS, "aliases", described, "others", DEPLOY)
    if _database_runs(seen):
        told, user = seen.fact(NAME, PASSWORD), f"{USER}@%"
        stored = native_password_hash(fleet.value(host.email_api.database_password))
        if not told:
            yield _unknown(user, "email-api-database")
        elif told != told_password(stored):
            yield Difference(Kind.GRANT, user, "the described password", "another one", DEPLOY)


def _unknown(name: str, container: str) -> Difference:
    return Difference(Kind.UNKNOWN, name, "an answer", "nothing", f"read `docker logs {container}`")
