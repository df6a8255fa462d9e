"""Ports that something listens on without being described."""

from collections.abc import Iterable, Iterator, Sequence

from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.ports import ANYWHERE, PortUse, ports_of

NAME = "access"

# DHCP clients (RFC 2131 section 4.1, RFC 8415 section 7.2).
_CLIENTS = {("udp", 68), ("udp", 546)}


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    uses = ports_of(fleet, host)
    yield Look(NAME, "ports", "ss -Hltnup", lambda lines: undeclared(lines, uses))


def undeclared(lines: Sequence[str], uses: Iterable[PortUse]) -> Iterator[Difference]:
    """Lines of `ss -Hltnup`: netid, state, queues, local address, peer, process. What listens on
    loopback only is nobody's business."""
    declared = {(use.protocol, use.port): use.address for use in uses}
    reported = set()
    for line in lines:
        protocol, _, _, _, local, _, *process = line.split()
        address, _, number = local.rpartition(":")
        address = address.partition("%")[0].strip("[]").removeprefix("::ffff:")
        at = (protocol, int(number))
        if at in reported or at in _CLIENTS or address.startswith("127.") or address == "::1":
            continue
        wanted = declared.get(at)
        if wanted in (ANYWHERE, address):
            continue
        reported.add(at)
        holder = process[0].split('"')[1] if process and '"' in process[0] else "a program"
        yield Difference(
            Kind.PORT,
            f"{number}/{protocol}",
            f"listens on {wanted} only" if wanted else "nothing listens",
            f"{holder} listens on {address}",
            f"stop {holder}, bind it to loopback, or describe the port in access_open",
        )
