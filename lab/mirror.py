"""Where the lab's Debian packages come from: the mirror that this machine itself uses."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import LabError

SUITE = "trixie"
VARIABLE = "LAB_MIRROR"


@dataclass(frozen=True)
class Mirror:
    main: str
    security: str | None

    def sources(self, suite: str = SUITE) -> str:
        """Lines of a sources.list for the hosts."""
        lines = [f"deb {self.main} {suite} main", f"deb {self.main} {suite}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {suite}-security main")
        return "\n".join(lines) + "\n"


def machine_mirror() -> Mirror | None:
    """LAB_MIRROR, else what apt is configured with here; None where this is no Debian."""
    if asked := os.environ.get(VARIABLE):
        return Mirror(asked, f"{asked.rstrip('/')}-security")
    codename = _debian_codename()
    if not codename or not shutil.which("apt-get"):
        return None
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    return parse_targets(listed.stdout.splitlines(), codename)


def required_mirror() -> Mirror:
    mirror = machine_mirror()
    if mirror is None:
        raise LabError(
            "no registry gave a debian:13 image and this machine has no Debian mirror configured: "
            f"set {VARIABLE} to one, such as http://MIRROR/debian"
        )
    return mirror


def parse_targets(lines: Iterable[str], codename: str) -> Mirror | None:
    """From lines of `RELEASE URI`."""
    found: dict[str, str] = {}
    for line in lines:
        release, _, uri = line.partition(" ")
        found.setdefault(release, uri.strip())
    if codename not in found:
        return None
    return Mirror(found[codename], found.get(f"{codename}-security"))


def _debian_codename() -> str | None:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None
