"""The e-mail API's aliases, and its password in its database: from what both say to converge's own
questions."""

from collections.abc import Iterator, Mapping

from mailfleet.components.email_api import NAME
from mailfleet.components.email_api.aliases import FACT as ALIASES
from mailfleet.components.email_api.aliases import digest
from mailfleet.components.email_api.database import FACT as PASSWORD
from mailfleet.components.email_api.database import USER
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet, Host


def looks(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    if not (bundle := bundles.get(NAME)):
        return
    described = host.email_api.aliases
    yield Look(
        NAME,
        "aliases",
        (bundle.facts[ALIASES],),
        judges.aliases,
        {"digest": digest(described), "count": len(described)},
        needs="email-api/api",
    )
    user = f"{USER}@%"
    stored = native_password_hash(fleet.value(host.email_api.database_password))
    yield Look(
        NAME,
        user,
        (bundle.facts[PASSWORD],),
        judges.password,
        {"user": user, "told": told_password(stored)},
        needs="email-api/database",
        secret=True,
    )
