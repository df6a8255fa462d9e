"""Files of a bundle: uploaded together, checked by their consumers, installed by rename."""

import base64
import io
import shlex
import tarfile
import time
from collections.abc import Generator, Iterable

from pyinfra import host, state
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.diff import show_differences
from mailfleet.converge.plan import FileChanges, file_changes, forget, observe, services_affected_by
from mailfleet.converge.shell import script


def _archive(bundle: Bundle) -> str:
    """The whole bundle as a base64 tar. It goes to standard input: neither a process list nor a
    temporary file on the host ever holds it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_parents(item.path for item in bundle.files)):
            entry = tarfile.TarInfo("." + path)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for item in bundle.files:
            entry = tarfile.TarInfo("." + item.path)
            entry.size, entry.mode = len(item.content), item.mode
            entry.uid, entry.gid = item.uid, item.gid
            entry.mtime = time.time()
            archive.addfile(entry, io.BytesIO(item.content))
    return base64.encodebytes(buffer.getvalue()).decode()


def _parents(paths: Iterable[str]) -> set[str]:
    parents = set()
    for path in paths:
        while path := path.rpartition("/")[0]:
            parents.add(path)
    return parents


def _script(bundle: Bundle, changes: FileChanges) -> str:
    written = {item.path for item in changes.files}
    lines = ["receive"]
    lines += [
        f"install -d -m {item.mode:o} -o {item.uid} -g {item.gid} {shlex.quote(item.path)}"
        for item in changes.directories
    ]
    lines += [
        f"check {shlex.quote(check.consumer)} {shlex.quote(check.command)}"
        for check in bundle.checks
        if written & set(check.files)
    ]
    # Steps that fail on a full disk come before the first change.
    installed = [item.path for item in changes.files]
    if installed:
        lines.append(shlex.join(["copy", *installed]))
    lines.append(
        shlex.join(["backup_files", *(item.path for item in bundle.files), *changes.extra])
    )
    stale = sorted(services_affected_by(bundle, changes))
    if stale:
        records = [f"/var/lib/mailfleet/applied/{bundle.component}/{name}" for name in stale]
        lines.append(shlex.join(["rm", "-f", *records]))
    if installed:
        lines.append(shlex.join(["install_files", *installed]))
    if changes.extra:
        lines.append(shlex.join(["discard", *changes.extra]))
    if not stale:
        lines.append("clear_pending")
    return script("activate", bundle.component, "files", lines)


@operation()
def files(bundle: Bundle) -> Generator[StringCommand, None, None]:
    """Install the files and directories of a bundle that differ on the host.

    + bundle: desired state of the component on this host
    """
    changes = file_changes(bundle, observe(host))
    if not changes:
        host.noop(f"files of {bundle.component} are in sync")
        return
    if state.config.DIFF:
        show_differences(host, bundle, changes)
    yield StringCommand(_script(bundle, changes), _stdin=_archive(bundle))
    forget(host)
