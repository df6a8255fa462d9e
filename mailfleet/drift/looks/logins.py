"""Who can log in, and by which keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT")."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from mailfleet.drift.finding import Difference, Kind
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

_TYPES = ("ssh-", "ecdsa-", "sk-")
# They end at the first space outside of quotes.
_OPTIONS = re.compile(r'(?:[^\s"]|"(?:\\"|[^"])*")+\s+')
_Key = tuple[str, str]
"""User, and a key's type with its base64."""


def looks(host: Host) -> Iterator[Look]:
    """None where the description does not say who may log in."""
    if host.access.logins is not None:
        yield Look(NAME, "logins", _COMMAND, partial(judge, logins=host.access.logins))


def judge(lines: Sequence[str], logins: Mapping[str, Sequence[str]]) -> Iterator[Difference]:
    """Lines `user NAME` and `key NAME LINE`."""
    users = {line.split()[1] for line in lines if line.startswith("user ")}
    wanted = {(user, key(line)): line for user, keys in logins.items() for line in keys}
    seen: dict[_Key, str] = {}
    for line in lines:
        if line.startswith("key "):
            _, user, rest = line.split(" ", 2)
            seen[user, key(rest)] = rest
    for user in sorted(users - set(logins) - {"root"}):
        remedy = f"`usermod --shell /usr/sbin/nologin {user}`, or describe it in access_logins"
        yield Difference(Kind.LOGIN, user, "no login", "has a login shell", remedy)
    for user in sorted(set(logins) - users):
        yield Difference(
            Kind.LOGIN, user, "can log in", "cannot", f"make the user: `adduser {user}`"
        )
    for one in sorted(set(seen) - set(wanted)):
        remedy = f"remove the line from ~{one[0]}/.ssh/authorized_keys, or describe the key"
        yield Difference(Kind.KEY, one[0], "no such key", _shown(seen[one]), remedy)
    for one in sorted(set(wanted) - set(seen)):
        if one[0] in users:
            remedy = f"add it to ~{one[0]}/.ssh/authorized_keys, or take it out of access_logins"
            yield Difference(Kind.KEY, one[0], _shown(wanted[one]), "no such key", remedy)


def key(line: str) -> str:
    """Type and base64 of a line, without the options before and the comment after."""
    line = line.strip()
    for rest in (line, _OPTIONS.sub("", line, count=1)):
        if rest.startswith(_TYPES):
            return " ".join(rest.split()[:2])
    return line


def _shown(line: str) -> str:
    """Enough of a key to find it: type, end, comment."""
    words = key(line).split()
    comment = line.rpartition(words[-1])[2].strip()
    return f"{words[0]} ...{words[-1][-12:]} {comment}".strip()
