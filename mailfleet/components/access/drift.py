"""Drift of the ways into a host: open ports, logins and keys, effective options of sshd and nft."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.access.bundle import NAME, RULES, SSHD
from mailfleet.components.access.settings import AccessSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ports_of
from mailfleet.templates import render_script

_LISTENING = render_script("access/drift/ports.sh")
_LOGINS = render_script("access/drift/logins.sh")


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of access."""
    uses = [[use.protocol, use.port, use.address] for use in ports_of(fleet, host)]
    yield DriftCheck(NAME, "ports", (_LISTENING,), evaluate.ports, uses)
    if (desired := host[AccessSettings].logins) is not None:
        logins = {user: list(keys) for user, keys in desired.items()}
        yield DriftCheck(NAME, "logins", (_LOGINS,), evaluate.logins, logins)
    for item in bundles[NAME].files:
        text = item.content.decode()
        if item.path == SSHD:
            yield DriftCheck(NAME, "sshd", ("sshd -T",), evaluate.sshd, text.splitlines())
        elif item.path == RULES:
            command = render_script("access/drift/firewall.sh", RULES=text)
            yield DriftCheck(NAME, "firewall", (command,), evaluate.firewall)
