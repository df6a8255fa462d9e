"""What the rest of the project knows of a running lab: .lab/lab.json and the files beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError
from lab.names import STATE

__all__ = ["Lab", "LabError", "LabHost", "read_lab", "write_lab"]

FILE = "lab.json"


@dataclass(frozen=True)
class LabHost:
    address: str
    fqdn: str
    ssh_port: int
    ssh_user: str
    # Port on the host -> port on 127.0.0.1 of this machine.
    ports: dict[str, int]


@dataclass(frozen=True)
class Lab:
    directory: Path
    hosts: dict[str, LabHost]
    # None with LAB_IMAGES=upstream: hosts pull from where everyone pulls.
    registry: str | None
    acme_directory: str
    # Server that the hosts resolve with, and the one that is authoritative for the lab's zones.
    resolver: str
    authority: str

    @property
    def key_file(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def update_key_file(self) -> Path:
        """The key that ns1 takes DNS updates with."""
        return self.directory / "update.key"

    @property
    def ca_file(self) -> Path:
        """The authority that signed the certificates of the registry and the ACME server."""
        return self.directory / "ca.pem"

    @property
    def acme_root_file(self) -> Path:
        """Root of the certificates that the ACME server issues; new whenever it starts."""
        return self.directory / "acme-root.pem"


def read_lab(directory: Path = STATE) -> Lab:
    try:
        data = json.loads((directory / FILE).read_text())
        hosts = {name: LabHost(**host) for name, host in data.pop("hosts").items()}
        return Lab(directory=directory, hosts=hosts, **data)
    except (OSError, ValueError, TypeError, KeyError):
        raise LabError("the lab is not up: run `mailfleet lab up`") from None


def write_lab(lab: Lab) -> None:
    data = {name: value for name, value in asdict(lab).items() if name != "directory"}
    temporary = lab.directory / f"{FILE}.new"
    temporary.write_text(json.dumps(data, indent=2) + "\n")
    temporary.replace(lab.directory / FILE)
