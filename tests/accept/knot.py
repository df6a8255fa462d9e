"""A private Knot DNS on loopback, as a zone's primary that takes signed updates."""

import shutil
import socket
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

KEY_NAME = "mailfleet"
# Of this test alone.
KEY = "bWFpbGZsZWV0IHRlc3RzIG1haWxmbGVldCB0ZXN0cyE="

_CONF = """
server:
    rundir: "{directory}"
    listen: {address}@{port}
    user: root:root
database:
    storage: "{directory}/db"
log:
  - target: stderr
    any: warning
policy:
  - id: one-key
    single-type-signing: on
key:
  - id: {key_name}
    algorithm: hmac-sha256
    secret: {key}
acl:
  - id: update
    address: 127.0.0.1
    key: {key_name}
    action: update
template:
  - id: default
    storage: "{directory}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    acl: update
    dnssec-policy: one-key
zone:
"""

_ZONE = """$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A {address}
"""


@dataclass(frozen=True)
class Knot:
    """Where it listens."""

    port: int
    address: str = "127.0.0.1"

    def values(self, name: str, kind: str) -> set[str]:
        """What it answers, as a zone file has it."""
        query = dns.message.make_query(name, kind)
        answer = dns.query.tcp(query, self.address, port=self.port, timeout=5)
        return {rdata.to_text() for rrset in answer.answer for rdata in rrset}


@contextmanager
def knot(
    directory: Path,
    zones: dict[str, str],
    address: str = "127.0.0.1",
    port: int = 0,
    signed: Collection[str] = (),
) -> Iterator[Knot]:
    """Serve zones, each with these further lines, for as long as the block runs; some of them
    signed with keys of their own."""
    program = shutil.which("knotd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.fail("`make .venv/test-tools` installs Debian's package knot")
    if not port:
        with socket.create_server((address, 0)) as free:
            port = free.getsockname()[1]
    conf = _CONF.format(directory=directory, address=address, port=port, key_name=KEY_NAME, key=KEY)
    for zone, lines in zones.items():
        # That of the root is `.zone`.
        (directory / f"{zone.removesuffix('.')}.zone").write_text(
            _ZONE.format(address=address) + lines
        )
        conf += f"  - domain: {zone}\n    dnssec-signing: {'on' if zone in signed else 'off'}\n"
    (directory / "db").mkdir()
    (directory / "knot.conf").write_text(conf)
    log = (directory / "log").open("w")
    with subprocess.Popen([program, "-c", str(directory / "knot.conf")], stderr=log) as process:
        try:
            _wait(process, Knot(port, address), next(iter(zones)), directory / "log")
            yield Knot(port, address)
        finally:
            process.terminate()


def _wait(process: "subprocess.Popen[bytes]", server: Knot, zone: str, log: Path) -> None:
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            if server.values(zone, "SOA"):
                return
        except (OSError, dns.exception.DNSException):
            time.sleep(0.05)
    pytest.fail(f"knotd does not answer: {log.read_text()}")
