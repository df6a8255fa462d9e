"""Who can log in, and by which keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT")."""

from collections.abc import Iterator

from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Host

NAME = "access"

_COMMAND = """
while IFS=: read -r user _ _ _ _ home shell; do
    case $shell in */nologin | */false | */sync) continue ;; esac
    echo "user $user"
    for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        [ ! -f "$file" ] ||
            awk -v user="$user" '!/^[[:space:]]*(#|$)/ { print "key", user, $0 }' "$file"
    done
done </etc/passwd
"""


def looks(host: Host) -> Iterator[Look]:
    """None where the description does not say who may log in."""
    if host.access.logins is not None:
        described = {user: list(keys) for user, keys in host.access.logins.items()}
        yield Look(NAME, "logins", (_COMMAND,), judges.logins, described)
