"""Blocklists alone, in a process of its own (parts.py)."""

import pickle
import sys
from dataclasses import dataclass

from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.checks.run import run_loop
from mailfleet.dns.checks.wanted import Sender
from mailfleet.dns.finding import Finding
from mailfleet.dns.resolve.answer import together
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.resolve.server import Address

_SECONDS = 10.0


@dataclass(frozen=True)
class Lists:
    """Addresses, the lists to look for them on, and the servers to ask."""

    senders: tuple[Sender, ...]
    zones: tuple[str, ...]
    servers: tuple[Address, ...]


async def _look(lists: Lists) -> list[tuple[str, Finding]]:
    """Each finding with its list."""
    resolver = Resolver(lists.servers, Limits(seconds=_SECONDS))
    pairs = [(sender, zone) for sender in lists.senders for zone in lists.zones]
    try:
        found = await resolver.run(together(*(check_blocklist(*pair) for pair in pairs)))
    finally:
        resolver.close()
    return [
        (zone, finding)
        for (_, zone), findings in zip(pairs, found, strict=True)
        for finding in findings
    ]


def main() -> None:
    made = run_loop(_look(pickle.load(sys.stdin.buffer)))
    pickle.dump(made, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    main()
