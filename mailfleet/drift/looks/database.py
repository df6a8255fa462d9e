"""MariaDB's settings in force, and the rights of Postal's user, beyond what files say."""

from collections.abc import Iterator, Mapping

from mailfleet.components import mariadb
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet

_SERVICE = "mariadb/mariadb"


def looks(fleet: Fleet, bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    """By what the server says to converge's own question."""
    if not (bundle := bundles.get(mariadb.NAME)):
        return
    question = (bundle.facts[mariadb.SERVER],)
    settings = fleet.postal
    user = f"{settings.database_user}@%"
    scopes = mariadb.grants(settings.database_name, settings.database_prefix)
    wanted = {
        "variables": mariadb.described_variables(bundle.file(mariadb.CONFIG).content),
        "user": user,
        "rights": sorted(mariadb.wanted_rights(scopes)),
        "schema": settings.database_name,
    }
    yield Look(mariadb.NAME, "database server", question, judges.database, wanted, needs=_SERVICE)
    stored = native_password_hash(fleet.value(settings.database_password))
    yield Look(
        mariadb.NAME,
        "database password",
        question,
        judges.password,
        {"user": user, "told": told_password(stored)},
        needs=_SERVICE,
        secret=True,
    )
