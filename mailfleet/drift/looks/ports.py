"""Ports that something listens on without being described."""

from collections.abc import Iterator

from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.ports import ports_of

NAME = "access"

# Who asks two name servers or more from one socket, as Postal's processes do (Ruby's Resolv,
# UnconnectedUDP), seems to listen on a random port for as long as it takes: what a second look does
# not see any more was that.
_LISTENING = """
seen=$(ss -Hltnup) || exit 1
if echo "$seen" | awk '
    $1 == "udp" && $5 !~ /^(127\\.|\\[::1\\])/ && $5 ~ /:[0-9][0-9][0-9][0-9]+$/ { found = 1 }
    END { exit !found }'
then
    sleep 3
    again=$(ss -Hltnup) || exit 1
    seen=$(printf '%s\\n' "$seen" "$again" | awk '$1 != "udp" || seen[$5]++ == 1')
fi
echo "$seen"
"""


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    uses = [[use.protocol, use.port, use.address] for use in ports_of(fleet, host)]
    yield Look(NAME, "ports", (_LISTENING,), judges.ports, uses)
