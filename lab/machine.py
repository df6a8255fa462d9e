"""How a whole Debian system can run in a container on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Machine:
    cgroup_v2: bool
    has_sys_resource: bool


def this_machine() -> Machine:
    return Machine(
        cgroup_v2=Path("/sys/fs/cgroup/cgroup.controllers").exists(),
        has_sys_resource=has_capability(Path("/proc/self/status").read_text(), CAP_SYS_RESOURCE),
    )


def has_capability(status: str, number: int) -> bool:
    """Whether the bounding set in the text of /proc/PID/status holds a capability."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True


def host_config(machine: Machine) -> dict[str, Any]:
    """The part of Docker's HostConfig that makes systemd and a nested engine work.

    Not `privileged`: the engine refuses that where the machine itself lacks a capability, and a
    host of the lab needs no device of the machine.
    """
    config: dict[str, Any] = {
        "CapAdd": ["ALL"],
        "CapDrop": [] if machine.has_sys_resource else ["SYS_RESOURCE"],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        # What the command line calls systempaths=unconfined.
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "DeviceCgroupRules": ["a *:* rwm"],
        "Tmpfs": {
            "/run": "rw,exec,nosuid,nodev,mode=755",
            "/tmp": "rw,exec,nosuid,nodev,mode=1777",
        },
        # A reboot of the host ends its container; the engine boots it again.
        "RestartPolicy": {"Name": "unless-stopped"},
        # With a private namespace on cgroup v1 journald cannot start.
        "CgroupnsMode": "private" if machine.cgroup_v2 else "host",
        "Binds": [] if machine.cgroup_v2 else ["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
    }
    return config


def environment(machine: Machine) -> list[str]:
    # systemd 257 refuses to start on cgroup v1 without it.
    return [] if machine.cgroup_v2 else ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
