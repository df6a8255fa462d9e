"""A private Unbound on loopback, as a resolver that checks signatures."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from mailfleet.dns.resolve.server import Address
from tests.accept.knot import Knot

_CONF = """
server:
    interface: 127.0.0.1@{port}
    directory: "{directory}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    do-ip6: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor: "{anchor}"
    # RFC 6761: answered NXDOMAIN otherwise.
    local-zone: "test." nodefault
remote-control:
    control-enable: no
"""
# Delegations say where a server is, but not on which port.
_STUB = """
stub-zone:
    name: "{zone}"
    stub-addr: {address}@{port}
"""


@contextmanager
def unbound(
    directory: Path, authority: Knot, zones: Sequence[str], anchor: str
) -> Iterator[Address]:
    """Resolve names of these zones of a server, trusting the key of this DNSKEY or DS record, for
    as long as the block runs."""
    program = shutil.which("unbound", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.fail("`make .venv/test-tools` installs Debian's package unbound")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = _CONF.format(directory=directory, port=port, anchor=anchor)
    for zone in zones:
        conf += _STUB.format(zone=zone, address=authority.address, port=authority.port)
    (directory / "unbound.conf").write_text(conf)
    log = directory / "log"
    command = [program, "-d", "-c", str(directory / "unbound.conf")]
    with log.open("w") as written, subprocess.Popen(command, stderr=written) as process:
        try:
            _wait(process, port, log)
            yield Address("127.0.0.1", port)
        finally:
            process.terminate()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    query = dns.message.make_query("localhost", "A")
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            dns.query.tcp(query, "127.0.0.1", port=port, timeout=5)
            return
        except (OSError, dns.exception.DNSException):
            time.sleep(0.05)
    pytest.fail(f"unbound does not answer: {log.read_text()}")
