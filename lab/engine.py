"""The Docker Engine of this machine: how to reach it, and how to get it where it is missing."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from lab.errors import LabError

RUN_DIRECTORY = Path("/run/mailfleet-lab")
DEFAULT_HOST = "unix:///var/run/docker.sock"
# Long enough for a silent build step; each wait with a purpose has its own deadline.
TIMEOUT_SECONDS = 900
START_SECONDS = 60


def connect() -> DockerClient:
    """The engine that DOCKER_HOST names or the local one, known to answer."""
    where = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        client = docker.from_env(timeout=TIMEOUT_SECONDS)
        client.ping()
    except (DockerException, RequestException, OSError) as error:
        raise LabError(_remedy(where, str(error))) from None
    return client


def _remedy(where: str, said: str) -> str:
    if "Permission denied" in said:
        return f"the Docker Engine at {where} refuses this user: run as root"
    return (
        f"no Docker Engine answers at {where}: run `make lab` as root, "
        "or `apt-get install docker.io` and start it"
    )


def ensure_engine() -> None:
    """Install Debian's docker.io and start it, as far as that is missing.

    An engine that answers is left as it is, and none is ever stopped: others may use it.
    """
    if _answers():
        return
    if os.environ.get("DOCKER_HOST"):
        connect()  # Raises: an engine elsewhere is not ours to start.
    if os.geteuid() != 0:
        raise LabError(
            "no Docker Engine answers, and only root can install one: run as root, "
            "or ask for docker.io to be installed and started"
        )
    if not shutil.which("dockerd"):
        _install("docker.io")
    if Path("/run/systemd/system").is_dir():
        _run(["systemctl", "start", "docker"], "start docker.service")
        log = "`journalctl -u docker`"
    else:
        log = str(_start_in_background())
    deadline = time.monotonic() + START_SECONDS
    while not _answers():
        if time.monotonic() > deadline:
            raise LabError(f"the Docker Engine did not start in {START_SECONDS} s: see {log}")
        time.sleep(0.3)


def install_missing(program: str, package: str) -> None:
    """Make sure that `program` is on this machine, from Debian's `package`."""
    if shutil.which(program):
        return
    if os.geteuid() != 0:
        raise LabError(f"{program} is missing: run `apt-get install {package}` as root")
    _install(package)


def _answers() -> bool:
    try:
        connect()
    except LabError:
        return False
    return True


def _install(package: str) -> None:
    if not shutil.which("apt-get"):
        raise LabError(f"{package} is missing and there is no apt-get here: install it by hand")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], "read the package lists", environment)
    _run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", package],
        f"install {package}",
        environment,
    )


def _start_in_background() -> Path:
    """Where no systemd runs, as in many containers and minimal machines."""
    RUN_DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    log = RUN_DIRECTORY / "dockerd.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    (RUN_DIRECTORY / "dockerd.pid").write_text(f"{process.pid}\n")
    return log


def _run(command: list[str], purpose: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f"could not {purpose}: {said[-1] if said else f'rc {done.returncode}'}")
