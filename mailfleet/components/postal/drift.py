"""Drift of Postal: its user in the database, its schema, and the certificate that SMTP presents."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.checks.served_certificates import served_certificates
from mailfleet.components.postal.bundle import NAME
from mailfleet.components.postal.database import DATABASE, desired_rights, grants
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.fleet.fleet import Fleet, Host

_DATABASE = "mariadb/mariadb"


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of Postal: of its databases on their host, of SMTP where it runs."""
    if host.has("database"):
        yield from _database(fleet, bundles[NAME])
    if host.has("postal_smtp") and host[PostalSettings].smtp_tls != "off":
        port, name = host[PostalSettings].smtp_ports[0], host[PostalSettings].smtp_name
        yield served_certificates(NAME, "smtp", port, "-starttls smtp", [name])


def _database(fleet: Fleet, bundle: Bundle) -> Iterator[DriftCheck]:
    query = (bundle.facts[DATABASE],)
    settings = fleet[PostalSettings]
    user = f"{settings.database_user}@%"
    scopes = grants(settings.database_name, settings.database_prefix)
    desired = {
        "user": user,
        "rights": sorted(desired_rights(scopes)),
        "schema": settings.database_name,
    }
    yield DriftCheck(NAME, "database", query, evaluate.database, desired, needs=_DATABASE)
    stored = native_password_hash(fleet.value(settings.database_password))
    yield DriftCheck(
        NAME,
        "database password",
        query,
        evaluate.password,
        {"user": user, "told": told_password(stored)},
        needs=_DATABASE,
        secret=True,
    )
