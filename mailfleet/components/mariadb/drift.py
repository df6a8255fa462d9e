"""Drift of MariaDB: its effective variables."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.mariadb.bundle import CONFIG, NAME, VARIABLES, desired_variables
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of MariaDB, by what the server answers to converge's own query."""
    bundle = bundles[NAME]
    yield DriftCheck(
        NAME,
        "variables",
        (bundle.facts[VARIABLES],),
        evaluate.variables,
        desired_variables(bundle.file(CONFIG).content),
        needs="mariadb/mariadb",
    )
