"""What a host carries: every bundle, each with the list by which the host looks at itself."""

from collections.abc import Mapping

from mailfleet.components import COMPONENTS
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.manifest import with_manifest
from mailfleet.drift.look import Look
from mailfleet.drift.looks import looks
from mailfleet.settings.fleet import Fleet, Host


def carried(fleet: Fleet, host: Host) -> tuple[Mapping[str, Bundle], tuple[Look, ...]]:
    """The bundles of all components of a host, and the looks at them. Renders everything, whatever
    part is deployed: what is wanted of one, such as the ports, depends on others. Raises
    SecretsError and TemplateProblem."""
    bare = {
        component.NAME: component.bundle(fleet, host)
        for component in COMPONENTS
        if host.has(*component.ROLES)
    }
    at_host = tuple(looks(fleet, host, bare))
    bundles = {
        name: with_manifest(
            bundle,
            [_row(look) for look in at_host if look.component == name and not look.secret],
        )
        for name, bundle in bare.items()
    }
    return bundles, at_host


def _row(look: Look) -> tuple[object, ...]:
    """As the verifier reads it."""
    judge = look.judge.__name__
    return (look.name, look.commands, judge, look.wanted, look.needs, look.reads)
