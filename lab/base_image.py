"""The image that all others start from: Debian 13, pulled where a registry answers, else made."""

import queue
import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound

from lab.engine import install_missing
from lab.errors import LabError
from lab.mirror import SUITE, required_mirror
from lab.names import LABEL, STATE, image_name, lab_id
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
    with progress.step(f"no registry answers: debootstrap {SUITE}"):
        _debootstrap(client, own)
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


def _debootstrap(client: DockerClient, name: str) -> None:
    mirror = required_mirror()
    install_missing("debootstrap", "debootstrap")
    target = STATE / "debootstrap"
    shutil.rmtree(target, ignore_errors=True)
    _make_tree(target, mirror.main)
    # The cache of downloaded packages would be half of the image.
    shutil.rmtree(target / "var/cache/apt/archives", ignore_errors=True)
    with subprocess.Popen(["tar", "-C", str(target), "-c", "."], stdout=subprocess.PIPE) as tar:
        client.api.import_image(
            src=tar.stdout,
            repository=name.rpartition(":")[0],
            tag=name.rpartition(":")[2],
            changes=[f"LABEL {LABEL}={lab_id()}", 'CMD ["bash"]'],
            stream_src=True,
        )
    if tar.returncode:
        raise LabError(f"could not pack {target}: tar ended with {tar.returncode}")
    shutil.rmtree(target)


def _make_tree(target: Path, mirror: str) -> None:
    log = target.with_suffix(".log")
    # In a mount and process namespace of its own, dying with us: whenever this is killed, neither
    # a mount nor a process is left.
    command = ["setpriv", "--pdeathsig", "KILL"]
    command += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command += ["debootstrap", "--variant=minbase", SUITE, str(target), mirror]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        said = log.read_text(errors="replace").strip().splitlines()
        raise LabError(f"debootstrap failed: {said[-1] if said else done.returncode} (see {log})")
    log.unlink()
