"""Health probes of access: logins need a key, and the firewall is active."""

from mailfleet.checks.probe import Probe
from mailfleet.components.access.settings import AccessSettings
from mailfleet.fleet.fleet import Fleet, Host


def _keys_only(options: str = "") -> str:
    """Shell that fails unless every login needs a key, and prints the options that allow others."""
    names = "passwordauthentication|kbdinteractiveauthentication|permitemptypasswords"
    awk = f'/^({names}|permitrootlogin) yes$/ {{print "effective: " $0; bad = 1}} END {{exit bad}}'
    return f"settings=$(sshd -T{options}) && echo \"$settings\" | awk '{awk}'"


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """Health probes of this component, run on the host."""
    keys_only = Probe(
        "ssh",
        f"{_keys_only()} && echo 'logins need a key'",
        "find the setting with `grep -r` in /etc/ssh: sshd takes the first value that it reads",
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
            "echo 'rules are active'",
            "systemctl restart mailfleet-firewall",
        ),
    )
