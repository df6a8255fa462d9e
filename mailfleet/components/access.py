"""access: SSH daemon and firewall, changed without ever locking the operator out."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.converge.access import access_services
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Unit
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.dns.record import Record
from mailfleet.health.gates import gates_of
from mailfleet.health.probe import Probe
from mailfleet.settings.fleet import EVERY_HOST, Fleet, Host
from mailfleet.settings.ports import PortUse, ports_of
from mailfleet.templates import render, shipped

NAME = "access"
ROLES = EVERY_HOST

# sshd takes the first value that it reads: before the 50-cloud-init.conf of cloud images.
_SSHD = "/etc/ssh/sshd_config.d/00-mailfleet.conf"
# 2026-11-21: the drop-in's former name, which sorted behind others and then had no effect.
_FORMER_SSHD = "/etc/ssh/sshd_config.d/60-mailfleet.conf"
_RULES = "/etc/mailfleet/firewall.nft"
_UNIT = "/etc/systemd/system/mailfleet-firewall.service"


def _keys_only(options: str = "") -> str:
    """Shell that fails, and prints what lets in without a key, unless every login needs one."""
    names = "passwordauthentication|kbdinteractiveauthentication|permitemptypasswords"
    awk = f'/^({names}|permitrootlogin) yes$/ {{print "in force: " $0; bad = 1}} END {{exit bad}}'
    return f"settings=$(sshd -T{options}) && echo \"$settings\" | awk '{awk}'"


# The daemon's configuration as it will be: the drop-in among the others, included where it is.
_SSHD_CHECK = (
    "for file in /etc/ssh/sshd_config.d/*.conf; do "
    f'[ ! -e "$file" ] || [ "$file" = {_FORMER_SSHD} ] || [ -e "$stage$file" ] || '
    'cp "$file" "$stage$file"; done; '
    'sed -E "/^\\s*Include\\s/I s|(/etc/ssh/)?sshd_config\\.d/|$stage/etc/ssh/sshd_config.d/|g" '
    "/etc/ssh/sshd_config >$stage/sshd_config && mkdir -p /run/sshd && "
    f"sshd -t -f $stage/sshd_config && {_keys_only(' -f $stage/sshd_config')}"
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
            File(_SSHD, shipped("access/00-mailfleet.conf")),
            *(firewall_files if firewall else ()),
        ),
        absent=(_FORMER_SSHD, *(() if firewall else (_RULES, _UNIT))),
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
        gates=gates_of(probes(fleet, host)),
    )


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    keys_only = Probe(
        "ssh",
        f"{_keys_only()} && echo 'logins need a key'",
        "look for the setting with `grep -r` in /etc/ssh: sshd takes the first value that it reads",
    )
    if not host.access.firewall:
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
