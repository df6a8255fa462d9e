"""Files that make a container one particular host: keys, addresses, zones, certificates."""

import io
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.credentials import ensure_certificate, ensure_ssh_key, ensure_update_key
from lab.topology import Host, Topology
from lab.zones import knot_conf, unbound_conf, zone_files


@dataclass(frozen=True)
class HostFile:
    path: str
    content: bytes
    mode: int = 0o644
    owner: int = 0


# `admin` is the first ordinary user of its image; `knot` gets its number in that of ns1.
USER_IDS = {"root": 0, "admin": 1000, "knot": 200}


def host_files(fleet: Topology, host: Host, state: Path) -> list[HostFile]:
    files = [*_own_files(fleet, host), *_ssh_files(host, state)]
    files.append(HostFile("etc/lab/ca.pem", (state / "ca.pem").read_bytes()))
    if host.tls_names:
        certificate, key = ensure_certificate(state, host.name, host.tls_names)
        files.append(HostFile("etc/lab/tls/cert.pem", certificate))
        files.append(HostFile("etc/lab/tls/key.pem", key, mode=0o600))
    if host.name == "ns1":
        files += _name_server_files(fleet, state)
    if host.name == "internet1":
        files.append(_text("etc/lab/pebble.env", f"RESOLVER={fleet.resolver}\n"))
    return files


def archive(files: list[HostFile]) -> bytes:
    """The files as a tar archive of /, with the directories between."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.size = len(file.content)
            info.mode, info.mtime = file.mode, int(time.time())
            info.uid = info.gid = file.owner
            if "/.ssh/" in file.path:
                directory = tarfile.TarInfo(str(Path(file.path).parent))
                directory.type, directory.mode = tarfile.DIRTYPE, 0o700
                directory.uid = directory.gid = file.owner
                tar.addfile(directory)
            tar.addfile(info, io.BytesIO(file.content))
    return buffer.getvalue()


def host_key_file(state: Path, host: Host) -> Path:
    return state / "host-keys" / host.name


def _own_files(fleet: Topology, host: Host) -> list[HostFile]:
    names = host.fqdn if host.fqdn.startswith(f"{host.name}.") else f"{host.fqdn} {host.name}"
    short = host.fqdn.split(".")[0]
    hosts = f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{host.address} {names} {short}\n"
    length = fleet.subnet.prefixlen
    addresses = "".join(f"{address}/{length}\n" for address in host.more_addresses)
    return [
        _text("etc/lab/hosts", hosts),
        # Not Docker's 127.0.0.11: containers inside the host could not ask it.
        _text("etc/lab/resolv.conf", f"nameserver {fleet.resolver}\nsearch lab.test\n"),
        _text("etc/lab/addresses", addresses),
    ]


def _ssh_files(host: Host, state: Path) -> list[HostFile]:
    key_file = host_key_file(state, host)
    public = ensure_ssh_key(key_file, host.fqdn)
    authorized = ensure_ssh_key(state / "id_ed25519", "mailfleet-lab")
    home = "root" if host.ssh_user == "root" else f"home/{host.ssh_user}"
    return [
        HostFile("etc/ssh/ssh_host_ed25519_key", key_file.read_bytes(), mode=0o600),
        _text("etc/ssh/ssh_host_ed25519_key.pub", f"{public}\n"),
        HostFile(
            f"{home}/.ssh/authorized_keys",
            f"{authorized}\n".encode(),
            mode=0o600,
            owner=USER_IDS[host.ssh_user],
        ),
    ]


def _name_server_files(fleet: Topology, state: Path) -> list[HostFile]:
    conf = knot_conf(fleet, ensure_update_key(state / "update.key"))
    files = [
        HostFile("etc/knot/knot.conf", conf.encode(), mode=0o600, owner=USER_IDS["knot"]),
        _text("etc/unbound/unbound.conf.d/lab.conf", unbound_conf(fleet)),
    ]
    for zone, content in zone_files(fleet).items():
        files.append(_text(f"etc/knot/zones/{zone}.zone", content))
    return files


def _text(path: str, content: str) -> HostFile:
    return HostFile(path, content.encode())
