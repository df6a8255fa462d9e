"""Drift of the ways into a host: open ports, logins and keys, effective options of sshd and nft."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.access.bundle import NAME, RULES, SSHD
from mailfleet.components.access.settings import AccessSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ports_of

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

# sshd(8), "AUTHORIZED_KEYS FILE FORMAT"
_LOGINS = """
while IFS=: read -r user _ _ _ _ home shell; do
    case $shell in */nologin | */false | */sync) continue ;; esac
    echo "user $user"
    for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        [ ! -f "$file" ] ||
            awk -v user="$user" '!/^[[:space:]]*(#|$)/ { print "key", user, $0 }' "$file"
    done
done </etc/passwd
"""

# The described rules are loaded in a network namespace of their own, which ends with the command:
# nft then prints both in one form. A missing table is the firewall unit's finding.
_COMPARE = """
nft list chain inet mailfleet input >/dev/null 2>&1 || exit 0
wanted=$(unshare --net sh -e -c 'nft -f -; nft -s -t list table inet mailfleet' <<'END_OF_RULES'
{rules}
END_OF_RULES
) || exit 1
nft -s -t list table inet mailfleet | sed 's/^/seen|/'
echo "$wanted" | sed 's/^/wanted|/'
"""


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
            command = _COMPARE.format(rules=text)
            yield DriftCheck(NAME, "firewall", (command,), evaluate.firewall)
