"""docker: the container engine, with bounded logs and the registries the fleet pulls from."""

import base64
import json
from pathlib import Path

from mailfleet.checks.gates import gates_of
from mailfleet.components.docker.probes import probes
from mailfleet.components.docker.settings import DockerSettings, Registry
from mailfleet.converge.bundle import Bundle, Check, Directory, File, StateCheck, Unit
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import shipped

NAME = "docker"

PACKAGES = {
    # Debian 13 and later; Debian 12 has no Compose v2, preflight says so.
    "distribution": ("docker.io", "docker-cli", "docker-compose"),
    "docker": ("docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"),
}

DAEMON = "/etc/docker/daemon.json"
# Home of root on every Debian (base-passwd). A file's path is absolute: no shell expands `~root`.
_HOME = "/root"
_CREDENTIALS = f"{_HOME}/.docker/config.json"
# A key that Docker does not know: `docker login` drops it, and the file is the operator's then.
_MARK = "mailfleet"
APT_REPOSITORY = "Docker's apt repository"
NO_LOGINS = "no registry logins"


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[DockerSettings]
    daemon = File(DAEMON, (json.dumps(_daemon(settings), indent=2) + "\n").encode())
    conditions: list[StateCheck] = []
    if settings.source == "docker":
        conditions.append(_apt_repository())
    if not _logins(settings):
        conditions.append(_no_logins())
    return Bundle(
        NAME,
        packages=PACKAGES[settings.source],
        directories=(Directory("/etc/docker"), Directory("/etc/docker/certs.d", owned=True)),
        files=(daemon, *_authorities(settings), *_credentials(fleet, settings)),
        checks=(Check((DAEMON,), f"dockerd --validate --config-file $stage{DAEMON}", "dockerd"),),
        conditions=tuple(conditions),
        units=(Unit("docker.service", depends_on=(DAEMON,)),),
        gates=gates_of(probes(fleet, host)),
    )


def _daemon(settings: DockerSettings) -> dict[str, object]:
    """daemon.json (dockerd(8)). live-restore keeps containers running while the daemon restarts."""
    options = {"max-size": settings.log_max_size, "max-file": str(settings.log_max_files)}
    return {
        "log-driver": settings.log_driver,
        "log-opts": {} if settings.log_driver == "journald" else options,
        "live-restore": True,
        "registry-mirrors": settings.registry_mirrors,
        "default-address-pools": [{"base": settings.address_pool, "size": 24}],
    }


def _authorities(settings: DockerSettings) -> list[File]:
    return [
        File(f"/etc/docker/certs.d/{registry.host}/ca.crt", Path(registry.ca_file).read_bytes())
        for registry in settings.registries
        if registry.ca_file
    ]


def _credentials(fleet: Fleet, settings: DockerSettings) -> list[File]:
    logins = {registry.host: {"auth": _login(fleet, registry)} for registry in _logins(settings)}
    if not logins:
        return []
    content = json.dumps({_MARK: "written by mailfleet", "auths": logins}, indent=2).encode()
    return [File(_CREDENTIALS, content, mode=0o600, secret=True)]


def _logins(settings: DockerSettings) -> list[Registry]:
    return [registry for registry in settings.registries if registry.username and registry.password]


def _no_logins() -> StateCheck:
    """The last login that was described goes from the host; those that somebody made there stay."""
    return StateCheck(
        NO_LOGINS,
        f"""grep -qs '"{_MARK}":' {_CREDENTIALS} && echo left || echo none""",
        "none",
        f"rm -f {_CREDENTIALS}",
    )


def _login(fleet: Fleet, registry: Registry) -> str:
    assert registry.password is not None
    password = fleet.value(registry.password).reveal()
    return base64.b64encode(f"{registry.username}:{password}".encode()).decode()


def _apt_repository() -> StateCheck:
    script = shipped("docker/apt-repository").decode()
    return StateCheck(
        APT_REPOSITORY,
        "[ -e /etc/apt/sources.list.d/docker.sources ] && echo present",
        "present",
        script,
    )
