"""What the kernel of this machine must allow before more hosts can boot."""

from pathlib import Path

from lab.errors import LabError

SETTING = "fs.inotify.max_user_instances"
LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# Measured on Debian 13: six after boot, up to ten with Docker and sessions.
PER_HOST = 10


def check_inotify(hosts: int, proc: Path = Path("/proc"), limit_file: Path = LIMIT) -> None:
    """Beyond the limit systemd loses its mounts and comes up degraded, so say it before.

    All hosts count as one user: root of this machine. Its settings are not the lab's to change.
    """
    if not hosts or not limit_file.exists():
        return
    limit = int(limit_file.read_text())
    used = inotify_instances(proc)
    needed = used + hosts * PER_HOST
    if needed > limit:
        raise LabError(
            f"{SETTING} is {limit}, {used} are in use and {hosts} more hosts need "
            f"{hosts * PER_HOST}: run `sysctl -w {SETTING}={max(1024, 2 * needed)}` as root"
        )


def inotify_instances(proc: Path) -> int:
    """How many root's processes hold, in containers too; 0 where that cannot be seen."""
    count = 0
    for process in proc.glob("[0-9]*"):
        try:
            if process.stat().st_uid != 0:
                continue
            for descriptor in (process / "fd").iterdir():
                count += _is_inotify(descriptor)
        except OSError:
            continue  # Ended meanwhile, or not ours to look at.
    return count


def _is_inotify(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()) == "anon_inode:inotify"
    except OSError:
        return False
