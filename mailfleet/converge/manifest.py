"""What a bundle describes, as a file on the host: for `mailfleet-verify`, which looks between runs
whether it still holds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailfleet.converge.bundle import Bundle, Directory, File

DIRECTORY = "/etc/mailfleet/described"


def manifest_path(bundle: Bundle) -> str:
    """Of the file that tells of a bundle."""
    return f"{DIRECTORY}/{bundle.component}.json"


def with_manifest(bundle: Bundle, looks: Iterable[Sequence[object]] = ()) -> Bundle:
    """The bundle, and the file that tells of it, with looks at the component as the verifier reads
    them. Packages are left out: what is to be installed is no file, and a change of it should not
    count as one."""
    if not bundle.files:
        return bundle
    # Root's own: a hash of a file with secrets is a way to test guesses.
    manifest = File(manifest_path(bundle), _content(bundle, looks), mode=0o600)
    return replace(
        bundle,
        directories=(*bundle.directories, Directory(DIRECTORY, mode=0o700)),
        files=(*bundle.files, manifest),
    )


def _content(bundle: Bundle, looks: Iterable[Sequence[object]]) -> bytes:
    """One line for each thing, so that a diff shows what became another."""
    project = bundle.project
    sections: dict[str, list[object]] = {
        "files": [
            [item.path, f"{item.mode:o}", item.uid, item.gid, item.sha256] for item in bundle.files
        ],
        "directories": [
            [item.path, f"{item.mode:o}", item.uid, item.gid, item.owned]
            for item in bundle.directories
        ],
        "absent": list(bundle.absent),
        "conditions": [[item.name, item.check, item.expected] for item in bundle.conditions],
        "units": [[unit.name, unit.is_effective] for unit in bundle.units],
        "services": [[project.name, service] for service in project.services] if project else [],
        "looks": list(looks),
    }
    parts = []
    for name, rows in sections.items():
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        parts.append(f'"{name}": [\n{lines}\n]' if rows else f'"{name}": []')
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()
