"""The figures as a Markdown table with the facts of the machine, and its place in the docs."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from measure import Timing
from peer import Recap

MAILFLEET, DRY = "mailfleet", "mailfleet --dry"
ANSIBLE = "Ansible"
FLOOR, LOOK = "floor", "look"

_TITLES = {
    MAILFLEET: "`pyinfra -y INVENTORY deploys/postal.py`",
    DRY: "`pyinfra --dry INVENTORY deploys/postal.py`",
    ANSIBLE: "`ansible-playbook bench/ansible/postal.yml`",
    FLOOR: "floor: one `ssh` per host that hashes the same files",
    LOOK: "one `ssh` per host that runs the script mailfleet sends",
}


def table(
    timings: Mapping[str, Timing],
    trips: Mapping[str, Mapping[str, int]],
    recap: Recap,
    load: tuple[float, float],
) -> str:
    """The table and the conditions under which it was made."""
    lines = [
        "| | seconds (median) | fastest | spread | SSH round trips per host |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, title in _TITLES.items():
        timing = timings[name]
        counted = max(trips[name].values()) if name in trips else None
        shown = {FLOOR: "1", LOOK: "1"}.get(name, str(counted) if counted else "not counted")
        lines.append(
            f"| {title} | {timing.median:.2f} | {timing.fastest:.2f} | {timing.spread:.2f} "
            f"| {shown} |"
        )
    rounds = len(timings[MAILFLEET].seconds)
    lines += [
        "",
        f"Ansible takes **{ratio(timings, ANSIBLE, MAILFLEET):.1f}** times as long as mailfleet, "
        f"mailfleet **{ratio(timings, MAILFLEET, FLOOR):.1f}** times as long as the floor "
        f"(quotients of the medians of {rounds} rounds; of the fastest runs: "
        f"{_fastest(timings, ANSIBLE, MAILFLEET):.1f} and "
        f"{_fastest(timings, MAILFLEET, FLOOR):.1f}). "
        f"The playbook: {recap.tasks} tasks, {recap.items} module runs on all hosts together, "
        "`changed=0` each time.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}. "
        f"Load average {load[0]:.1f} before, {load[1]:.1f} after.",
    ]
    return "\n".join(lines)


def ratio(timings: Mapping[str, Timing], slow: str, fast: str) -> float:
    return timings[slow].median / timings[fast].median


def _fastest(timings: Mapping[str, Timing], slow: str, fast: str) -> float:
    return timings[slow].fastest / timings[fast].fastest


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return (
        f"{os.cpu_count()} cores and {memory:.0f} GiB shared by control machine and hosts, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"pyinfra {version('pyinfra')}, ansible-core {_ansible_version()}, "
        f"{ssh.partition(' ')[0].replace('_', ' ')}"
    )


def _ansible_version() -> str:
    lock = Path(__file__).with_name("requirements.lock").read_text(encoding="utf-8")
    found = re.search(r"^ansible-core==(\S+)", lock, re.MULTILINE)
    return found[1] if found else "?"


def write(page: Path, hosts: int, text: str) -> None:
    """Put a table between its markers. Raises ValueError when the page has none."""
    begin, end = f"<!-- {hosts} host: begin -->", f"<!-- {hosts} host: end -->"
    former = page.read_text(encoding="utf-8")
    before, begun, rest = former.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{page} has no place for the table of {hosts} hosts")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
