"""The image that all others start from: Debian 13, pulled where a registry answers, else made."""

import os
import queue
import shutil
import subprocess
import threading
from contextlib import suppress

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound

from lab.engine import install_missing
from lab.errors import LabError
from lab.mirror import SUITE, required_mirror
from lab.names import LABEL, RECIPES, STATE, image_name, lab_id
from lab.progress import Progress

UPSTREAM = "debian:13"
# A registry that has not named the image by then is taken for unreachable.
REGISTRY_ANSWERS_SECONDS = 10


def root_image(client: DockerClient, progress: Progress) -> str:
    """Name of an untouched Debian 13 image."""
    own = image_name("debian") + ":13"
    for name in (own, UPSTREAM):
        with suppress(ImageNotFound):
            client.images.get(name)
            return name
    if _pull(client, progress):
        return UPSTREAM
    with progress.step(f"no registry answers: mmdebstrap {SUITE}"):
        _bootstrap(client, own)
    return own


def _pull(client: DockerClient, progress: Progress) -> bool:
    """In a thread of its own: the engine cannot be told to give up early."""
    first: queue.Queue[bool] = queue.Queue()
    finished: queue.Queue[bool] = queue.Queue()

    def pull() -> None:
        answered = False
        try:
            for event in client.api.pull("debian", tag="13", stream=True, decode=True):
                if "error" in event:
                    break
                if not answered:
                    answered = True
                    first.put(True)
            else:
                finished.put(answered)
                return
        except (APIError, DockerException, OSError):
            pass
        first.put(False)
        finished.put(False)

    threading.Thread(target=pull, daemon=True).start()
    try:
        if not first.get(timeout=REGISTRY_ANSWERS_SECONDS):
            return False
    except queue.Empty:
        return False
    with progress.step(f"pull {UPSTREAM}"):
        return finished.get()


def _bootstrap(client: DockerClient, name: str) -> None:
    """Debian's essential packages and apt, unpacked by this machine's own apt."""
    mirror = required_mirror()
    install_missing("mmdebstrap", "mmdebstrap")
    work, log = STATE / "mmdebstrap", STATE / "mmdebstrap.log"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    # In a mount and process namespace of its own, dying with us: whenever this is killed, neither
    # a mount nor a process is left.
    command = ["setpriv", "--pdeathsig", "KILL"]
    command += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command += ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"]
    command += [f"--aptopt={RECIPES}/base/apt.conf", f"--dpkgopt={RECIPES}/base/dpkg.cfg"]
    command += [SUITE, "-", *mirror.sources().splitlines()]
    refused = ""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(work)},
        ) as tree,
    ):
        try:
            client.api.import_image(
                src=tree.stdout,
                repository=name.rpartition(":")[0],
                tag=name.rpartition(":")[2],
                changes=[f"LABEL {LABEL}={lab_id()}", 'CMD ["bash"]'],
                stream_src=True,
            )
        except APIError as error:
            refused = str(error.explanation)
    if tree.returncode or refused:
        # An empty archive makes an image too.
        with suppress(ImageNotFound):
            client.images.remove(name)
        lines = [*log.read_text(errors="replace").splitlines(), *refused.splitlines()]
        raise LabError(f"mmdebstrap failed: {lines[-1] if lines else 'no output'} (see {log})")
    shutil.rmtree(work)
    log.unlink()
