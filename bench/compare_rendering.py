"""Compares the files that two checkouts render for every variant of the lab's settings:

    bench/compare_rendering.py PREVIOUS_CHECKOUT

Both checkouts need `make setup` and the state of the same lab (`.lab`). Secrets are masked. Exits 1
where a file of a host differs. The lists by which hosts check themselves are compared by what they
hold, not by their order."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = "etc/mailfleet/described/"

# Runs in either checkout, which has variants of its own: settings' classes may have moved.
_RENDER = """
import subprocess, sys
from pathlib import Path
from tests.lab.postal2.test_2_rendered_files import VARIANTS
from tests.lab.console import Operator

target = Path(sys.argv[1])
given = {
    "mailserver/app": "x" * 32, "caddy/certificate": "", "caddy/certificate_key": "",
    "postal/smtp_certificate": "", "postal/smtp_certificate_key": "",
}
for name, changes in VARIANTS.items():
    variant = Operator().variant(target / "inventories" / name, changes)
    for host in ("postal1", "mx1", "postal2"):
        done = subprocess.run(
            [".venv/bin/mailfleet", "render", variant.inventory, host,
             "-o", str(target / "files" / name / host)],
            capture_output=True, text=True,
        )
        if done.returncode and "no host" not in done.stderr:
            sys.exit(f"{name}, {host}: {done.stderr or done.stdout}")
"""


def rendered(checkout: Path, target: Path) -> dict[str, bytes]:
    """Variant, host and path -> content of every file."""
    command = [str(checkout / ".venv/bin/python"), "-c", _RENDER, str(target)]
    subprocess.run(command, cwd=checkout, check=True)
    files = target / "files"
    return {
        str(path.relative_to(files)): path.read_bytes()
        for path in sorted(files.rglob("*"))
        if path.is_file()
    }


def equal(name: str, before: bytes, after: bytes) -> bool:
    """Whether two files mean the same."""
    if before == after or MANIFESTS not in name:
        return before == after
    old, new = json.loads(before), json.loads(after)
    return all(
        sorted(map(repr, old.get(part, []))) == sorted(map(repr, new.get(part, [])))
        for part in old | new
    )


def main() -> None:
    previous = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as directory:
        before = rendered(previous, Path(directory, "before"))
        after = rendered(ROOT, Path(directory, "after"))
    # Earlier versions of `render` left these out.
    names = sorted(name for name in before | after if MANIFESTS not in name or name in before)
    different = [
        name
        for name in names
        if name not in before or name not in after or not equal(name, before[name], after[name])
    ]
    for name in different:
        print(f"differs: {name}")
    print(f"{len(names)} files, {len(different)} differ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
