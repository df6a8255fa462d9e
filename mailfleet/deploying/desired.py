"""What a host should carry: every bundle, each with the list by which the host checks itself."""

from collections.abc import Mapping

from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.registry import COMPONENTS
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.manifest import with_manifest
from mailfleet.deploying.drift_checks import drift_checks
from mailfleet.fleet.fleet import Fleet, Host


def desired_bundles(
    fleet: Fleet, host: Host
) -> tuple[Mapping[str, Bundle], tuple[DriftCheck, ...]]:
    """The bundles of all components of a host, and its drift checks. Renders everything, whatever
    part is deployed: what one component desires, such as ports, depends on others. Raises
    SecretsError and TemplateProblemError."""
    bare = {
        component.name: component.bundle(fleet, host)
        for component in COMPONENTS
        if component.bundle and component.on(fleet, host)
    }
    checks = tuple(drift_checks(fleet, host, bare))
    bundles = {
        name: with_manifest(
            bundle,
            [_row(check) for check in checks if check.component == name and not check.secret],
        )
        for name, bundle in bare.items()
    }
    return bundles, checks


def _row(check: DriftCheck) -> tuple[object, ...]:
    """As the verifier reads it."""
    evaluate = check.evaluate.__name__
    return (check.name, check.commands, evaluate, check.desired, check.needs, check.reads)
