"""access: SSH daemon and firewall, changed without ever locking the operator out."""

from mailfleet.checks.gates import gates_of
from mailfleet.components.access.probes import _keys_only, probes
from mailfleet.components.access.settings import AccessSettings
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Unit
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import PortUse, ports_of
from mailfleet.templates import Rendered, render, shipped

NAME = "access"

# sshd takes the first value that it reads: before the 50-cloud-init.conf of cloud images.
SSHD = "/etc/ssh/sshd_config.d/00-mailfleet.conf"
# 2026-11-21: the drop-in's previous name, which sorted behind others and then had no effect.
_PREVIOUS_SSHD = "/etc/ssh/sshd_config.d/60-mailfleet.conf"
RULES = "/etc/mailfleet/firewall.nft"
_UNIT = "/etc/systemd/system/mailfleet-firewall.service"


# The daemon's configuration as it will be: the drop-in among the others, included where it is.
_SSHD_CHECK = (
    "for file in /etc/ssh/sshd_config.d/*.conf; do "
    f'[ ! -e "$file" ] || [ "$file" = {_PREVIOUS_SSHD} ] || [ -e "$stage$file" ] || '
    'cp "$file" "$stage$file"; done; '
    'sed -E "/^\\s*Include\\s/I s|(/etc/ssh/)?sshd_config\\.d/|$stage/etc/ssh/sshd_config.d/|g" '
    "/etc/ssh/sshd_config >$stage/sshd_config && mkdir -p /run/sshd && "
    f"sshd -t -f $stage/sshd_config && {_keys_only(' -f $stage/sshd_config')}"
)

# Whoever flushes the ruleset takes our table with it, and the unit stays active.
_RULES_ARE_ACTIVE = (
    "nft list chain inet mailfleet input 2>/dev/null | grep -q 'policy drop' && echo yes"
)


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


def _rules(fleet: Fleet, host: Host) -> Rendered:
    return render(
        "access/firewall.nft",
        settings=host[AccessSettings],
        uses=[
            (use, match)
            for use in ports_of(fleet, host)
            if use.inbound
            for match in _source_matches(use)
        ],
    )


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[AccessSettings]
    files = [File(SSHD, shipped("access/00-mailfleet.conf"))]
    absent = [_PREVIOUS_SSHD]
    units = [Unit("ssh.service", depends_on=(SSHD,), on_change="reload")]
    if settings.firewall:
        files += [
            File(RULES, _rules(fleet, host).content),
            File(_UNIT, shipped("access/firewall.service")),
        ]
        units.append(
            Unit(
                "mailfleet-firewall.service",
                depends_on=(RULES, _UNIT),
                on_change="reload",
                is_effective=_RULES_ARE_ACTIVE,
            )
        )
    else:
        absent += [RULES, _UNIT]
    return Bundle(
        NAME,
        packages=("nftables", "openssh-server"),
        directories=(Directory("/etc/mailfleet"),),
        files=tuple(files),
        absent=tuple(absent),
        checks=(
            Check((SSHD,), _SSHD_CHECK, "sshd -t"),
            Check((RULES,), f"nft --check --file $stage{RULES}", "nft --check"),
        ),
        units=tuple(units),
        gates=gates_of(probes(fleet, host)),
    )
