"""Drift of the e-mail API: its aliases, and its password in its database."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.email_api.aliases import FACT as ALIASES
from mailfleet.components.email_api.aliases import digest
from mailfleet.components.email_api.bundle import NAME
from mailfleet.components.email_api.database import FACT as PASSWORD
from mailfleet.components.email_api.database import USER
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.fleet.fleet import Fleet, Host


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of the e-mail API, by what it and its database answer to converge's queries."""
    bundle = bundles[NAME]
    aliases = host[EmailApiSettings].aliases
    yield DriftCheck(
        NAME,
        "aliases",
        (bundle.facts[ALIASES],),
        evaluate.aliases,
        {"digest": digest(aliases), "count": len(aliases)},
        needs="email-api/api",
    )
    user = f"{USER}@%"
    stored = native_password_hash(fleet.value(host[EmailApiSettings].database_password))
    yield DriftCheck(
        NAME,
        user,
        (bundle.facts[PASSWORD],),
        evaluate.password,
        {"user": user, "told": told_password(stored)},
        needs="email-api/database",
        secret=True,
    )
