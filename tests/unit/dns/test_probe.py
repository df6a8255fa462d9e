"""What names lead to, looked at over real TLS on loopback."""

import asyncio
import base64
from pathlib import Path

import pytest

from mailfleet.dns.resolve.answer import Answer, Status, probe
from mailfleet.dns.resolve.probe import Probes
from mailfleet.dns.resolve.resolver import Limits, Resolver
from tests.unit.dns.servers import Zone, serving, zone_handler
from tests.unit.dns.tls import Certified, certified, smtp, web

HOST = "mta-sts.example.com"
URL = f"https://{HOST}/.well-known/mta-sts.txt"
ZONE: Zone = {(HOST, "A"): ["127.0.0.1"]}
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("tls"), HOST)


async def look(probes: Probes, name: str, kind: str, seconds: float = 30) -> Answer:
    async with serving(zone_handler(ZONE)) as address:
        resolver = Resolver([address], Limits(seconds=seconds, rate=0), probes)
        try:
            return await resolver.run(probe(name, kind))
        finally:
            resolver.close()


def fetch(tls: Certified, answer: bytes | None, url: str = URL, seconds: float = 30) -> Answer:
    async def inside() -> Answer:
        async with web(tls, answer) as port:
            return await look(Probes(https_port=port, trust=tls.trust), url, "HTTPS", seconds)

    return asyncio.run(inside())


def test_a_file_is_fetched(tls: Certified) -> None:
    assert fetch(tls, GOOD).values == ("text/plain", "hi")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    assert fetch(tls, chunked).values == ("", "hi")


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/\r\n\r\n",
            Status.REJECTED,
            "HTTP 301",
        ),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Status.REJECTED, "HTTP 404"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, Status.REJECTED, "longer than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 7_000_000, Status.REJECTED, "longer than 65536"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", Status.REJECTED, "IncompleteRead"),
        (b"SSH-2.0-server\r\n", Status.REJECTED, "SSH-2.0"),
        (b"", Status.REJECTED, "closed connection"),
    ],
)
def test_response_that_is_not_the_policy_is_rejected(
    tls: Certified, answer: bytes, status: Status, reason: str
) -> None:
    found = fetch(tls, answer)
    assert found.status is status
    assert reason in found.values[0]


def test_invalid_certificate_is_untrusted(tls: Certified, tmp_path: Path) -> None:
    other = certified(tmp_path, "other.example.com")
    wrong_name = fetch(other, GOOD)
    assert (wrong_name.status, "mta-sts.example.com" in wrong_name.values[0]) == (
        Status.UNTRUSTED,
        True,
    )
    unknown = fetch(Certified(other.serve, tls.trust, b""), GOOD)
    assert unknown.status is Status.UNTRUSTED


def test_a_silent_web_server_and_a_name_without_address_end(tls: Certified) -> None:
    assert fetch(tls, None, seconds=0.5).status is Status.TIMEOUT
    assert fetch(tls, GOOD, "https://none.example.com/").status is Status.NXDOMAIN
    closed = asyncio.run(look(Probes(https_port=9), URL, "HTTPS"))
    assert closed.status is Status.UNREACHABLE


def test_mail_server_certificate_is_read_after_starttls(tls: Certified) -> None:
    async def inside(offers: bytes) -> Answer:
        async with smtp(tls, offers) as port:
            return await look(Probes(smtp_port=port), HOST, "STARTTLS")

    found = asyncio.run(inside(b"250-x\r\n250 STARTTLS\r\n"))
    assert base64.b64decode(found.values[0]) == tls.certificate
    for offers, reason in ((b"250 x\r\n", "STARTTLS"), (b"554 go away\r\n", "554 GO AWAY")):
        refused = asyncio.run(inside(offers))
        assert refused.status is Status.REJECTED
        assert reason.lower() in refused.values[0].lower()
