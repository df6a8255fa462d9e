"""Health probes of access: logins need a key, and the firewall is active."""

from mailfleet.checks.probe import Probe
from mailfleet.components.access.settings import AccessSettings
from mailfleet.fleet.fleet import Fleet, Host


def _keys_only(options: str = "") -> str:
    """Shell that fails, and prints what lets in without a key, unless every login needs one."""
    names = "passwordauthentication|kbdinteractiveauthentication|permitemptypasswords"
    awk = f'/^({names}|permitrootlogin) yes$/ {{print "in force: " $0; bad = 1}} END {{exit bad}}'
    return f"settings=$(sshd -T{options}) && echo \"$settings\" | awk '{awk}'"


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    keys_only = Probe(
        "ssh",
        f"{_keys_only()} && echo 'logins need a key'",
        "look for the setting with `grep -r` in /etc/ssh: sshd takes the first value that it reads",
    )
    if not host[AccessSettings].firewall:
        return (keys_only,)
    return (
        keys_only,
        Probe(
            "firewall",
            # What Docker publishes is kept in by the second chain alone.
            "nft list chain inet mailfleet input | grep -q 'policy drop' && "
            "nft list chain inet mailfleet forward | grep -q 'oifname .* drop$' && "
            "echo 'rules in force'",
            "systemctl restart mailfleet-firewall",
        ),
    )
