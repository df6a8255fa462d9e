"""Rules and options in force, against those described: a file is what a program once read."""

import json
from collections.abc import Iterator, Mapping

from mailfleet.converge.bundle import Bundle, File
from mailfleet.drift import judges
from mailfleet.drift.look import DOCKER, Look

_RULES = "/etc/mailfleet/firewall.nft"
_DAEMON = "/etc/docker/daemon.json"
_SSHD = "/etc/ssh/sshd_config.d/"
_POSTFIX = "/opt/mailserver/config/postfix-main.cf"

_FILES = (_RULES, _DAEMON, _POSTFIX)

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


# What `docker info` asks, which itself takes four times as long: it starts each of its plugins. The
# socket would start Docker.
_ENGINE = (
    "systemctl is-active --quiet docker.service && "
    "curl --silent --fail --max-time 20 --unix-socket /run/docker.sock http://docker/info"
)


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    for bundle in bundles.values():
        for item in bundle.files:
            if look := _look(bundle.component, item):
                yield look


def _look(component: str, item: File) -> Look | None:
    text = item.content.decode() if item.path in _FILES or item.path.startswith(_SSHD) else ""
    if item.path == _RULES:
        return Look(component, "firewall", (_COMPARE.format(rules=text),), judges.firewall)
    if item.path == _DAEMON:
        options = {
            key: value for key, value in json.loads(text).items() if key in judges.DAEMON_OPTIONS
        }
        return Look(component, "daemon options", (_ENGINE,), judges.daemon, options, needs=DOCKER)
    if item.path == _POSTFIX:
        return Look(
            component,
            "Postfix parameters",
            ("docker exec mailserver postconf -n",),
            judges.postfix,
            text.splitlines(),
            needs="mailserver/mailserver",
            secret=item.secret,
        )
    if text:
        return Look(component, "sshd", ("sshd -T",), judges.sshd, text.splitlines())
    return None
