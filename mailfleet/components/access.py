"""access: SSH daemon and firewall, changed without ever locking the operator out."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.converge.access import access_services
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Unit
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.dns.record import Record
from mailfleet.health.probe import Probe
from mailfleet.settings.fleet import EVERY_HOST, Fleet, Host
from mailfleet.settings.ports import PortUse, ports_of
from mailfleet.templates import render, shipped

NAME = "access"
ROLES = EVERY_HOST

_SSHD = "/etc/ssh/sshd_config.d/60-mailfleet.conf"
_RULES = "/etc/mailfleet/firewall.nft"
_UNIT = "/etc/systemd/system/mailfleet-firewall.service"

# The drop-in in force together with the rest of the daemon's configuration.
_SSHD_CHECK = (
    f"{{ cat $stage{_SSHD}; cat /etc/ssh/sshd_config; }} >$stage/sshd_config && "
    "mkdir -p /run/sshd && sshd -t -f $stage/sshd_config"
)

# Whoever flushes the ruleset takes our table with it, and the unit stays active.
_IN_FORCE = "nft list chain inet mailfleet input 2>/dev/null | grep -q 'policy drop' && echo yes"


def _source_matches(use: PortUse) -> list[str]:
    """nft matches for the networks a port is open to, one per address family: one empty match for
    a port that is open to everyone, none for a port that is open to nobody."""
    if use.sources is None:
        return [""]
    families = {"ip": ".", "ip6": ":"}
    matches = []
    for keyword, mark in families.items():
        networks = [network for network in use.sources if mark in network]
        if networks:
            matches.append(f"{keyword} saddr {{ {', '.join(networks)} }} ")
    return matches


def bundle(fleet: Fleet, host: Host) -> Bundle:
    firewall = host.access.firewall
    rules = render(
        "access/firewall.nft",
        settings=host.access,
        uses=[
            (use, match)
            for use in ports_of(fleet, host)
            if use.inbound
            for match in _source_matches(use)
        ],
    )
    firewall_files = (File(_RULES, rules.content), File(_UNIT, shipped("access/firewall.service")))
    return Bundle(
        NAME,
        packages=("nftables", "openssh-server"),
        directories=(Directory("/etc/mailfleet"),),
        files=(
            File(_SSHD, shipped("access/60-mailfleet.conf")),
            *(firewall_files if firewall else ()),
        ),
        absent=() if firewall else (_RULES, _UNIT),
        checks=(
            Check((_SSHD,), _SSHD_CHECK, "sshd -t"),
            Check((_RULES,), f"nft --check --file $stage{_RULES}", "nft --check"),
        ),
        units=(
            Unit("ssh.service", fed_by=(_SSHD,), on_change="reload"),
            *(
                (
                    Unit(
                        "mailfleet-firewall.service",
                        fed_by=(_RULES, _UNIT),
                        on_change="reload",
                        in_force=_IN_FORCE,
                    ),
                )
                if firewall
                else ()
            ),
        ),
    )


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    if not host.access.firewall:
        return ()
    return (
        Probe(
            "firewall",
            "nft list chain inet mailfleet input | grep -q 'policy drop' && echo 'rules in force'",
            "systemctl restart mailfleet-firewall",
        ),
    )


def records(fleet: Fleet) -> list[Record]:
    """Needs no DNS record of its own."""
    return []


@pyinfra_deploy("access")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        packages(name="packages", bundle=wanted)
        files(name="files", bundle=wanted)
        access_services(name="SSH daemon and firewall", bundle=wanted)
