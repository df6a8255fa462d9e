"""How answers become results, and what SMTP servers are called well."""

import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest

from mailfleet.checks.probe import (
    TOOK,
    Answers,
    ExternalProbe,
    Limit,
    Output,
    Probe,
    results,
    run_external_probe,
)
from mailfleet.checks.relay import postal_relay_probe, relay_probe
from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.checks.sections import Section, Sections
from mailfleet.checks.smtp import SmtpServer
from mailfleet.health.fleet import HealthRun, results_of
from mailfleet.transport import Unreachable
from tests.certificates import certificate


@pytest.mark.parametrize(
    ("limit", "value", "status"),
    [
        (Limit(80, 90), 79, Status.OK),
        (Limit(80, 90), 80, Status.WARN),
        (Limit(80, 90), 90, Status.FAIL),
        (Limit(14, 3), 15, Status.OK),
        (Limit(14, 3), 14, Status.WARN),
        (Limit(14, 3), 3, Status.FAIL),
        (Limit(1, inf), 10**6, Status.WARN),
    ],
)
def test_limits(limit: Limit, value: float, status: Status) -> None:
    assert limit.status(value) is status


_DISK = Probe("disk", "", "make room", limit=Limit(80, 90, "%"))


@pytest.mark.parametrize(
    ("output", "status", "value"),
    [
        (Output("0", "45% used", "measured 45"), Status.OK, 45.0),
        (Output("0", "85% used", "measured 85"), Status.WARN, 85.0),
        (Output("0", "who knows"), Status.UNKNOWN, None),
        (Output("1", "no such disk", "measured 1"), Status.FAIL, None),
        (Output("124", ""), Status.FAIL, None),
    ],
)
def test_what_is_measured_decides(output: Output, status: Status, value: float | None) -> None:
    (result,) = results("one", "base", [_DISK], {"base: disk": output})
    assert (result.status, result.value) == (status, value)
    assert bool(result.remedy) == (status is not Status.OK)


def test_of_an_unreachable_host_every_probe_is_unknown() -> None:
    found = results_of("one", {"base": [_DISK]}, Unreachable("cannot log in", "see that it is up"))
    assert [(one.component, one.status) for one in found] == [
        ("ssh", Status.UNKNOWN),
        ("base", Status.UNKNOWN),
    ]
    # What mends the disk mends no login.
    assert [one.remedy for one in found] == ["see that it is up", ""]


def test_what_mail_finds_of_a_host_that_was_not_asked_is_told() -> None:
    """As with --mail --role mailserver: the way through Postal is a finding of Postal's host."""
    by_mail = CheckResult("postal1", "postal", "mail by SMTP", Status.FAIL, "not taken", "see")
    found = HealthRun({"mx1": {}}).results({"mx1": {}}, [by_mail])
    assert found[-1] == by_mail


def test_nobody_answers() -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("Connection refused")

    probe = ExternalProbe("web", refuse, "look", level=Level.FULL)  # type: ignore[arg-type]
    result = run_external_probe("one", "caddy", probe)
    assert (result.status, result.message) == (Status.FAIL, "Connection refused")


class _Session(socketserver.StreamRequestHandler):
    """Says what its server was told to, in the order of RFC 5321."""

    server: "_Server"

    def handle(self) -> None:
        self.wfile.write(b"220 mx.test ESMTP\r\n")
        for line in self.rfile:
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"EHLO":
                offers = [b"mx.test", *self.server.offers]
                for offer in offers[:-1]:
                    self.wfile.write(b"250-" + offer + b"\r\n")
                self.wfile.write(b"250 " + offers[-1] + b"\r\n")
            elif verb == b"RCPT":
                self.wfile.write(self.server.recipient + b"\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, recipient: bytes, offers: tuple[bytes, ...]) -> None:
        self.recipient, self.offers = recipient, offers
        super().__init__(("127.0.0.1", 0), _Session)


@contextmanager
def _serving(recipient: bytes, *offers: bytes) -> Iterator[int]:
    with _Server(recipient, offers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _statuses(port: int, tls: bool) -> dict[str, tuple[Status, str]]:
    server = SmtpServer("127.0.0.1", port, tls=tls, auth=True)
    found = [run_external_probe("one", "postal", probe) for probe in server.probes("the log")]
    return {one.name.split()[0]: (one.status, one.message) for one in found}


def test_an_open_relay_is_found() -> None:
    with _serving(b"250 ok", b"AUTH PLAIN") as port:
        found = _statuses(port, tls=False)
    assert found["relay"][0] is Status.FAIL
    assert "anyone to anyone" in found["relay"][1]


class _Submission(socketserver.StreamRequestHandler):
    """Refuses everything before STARTTLS, and nothing after it."""

    server: "_SubmissionServer"

    def handle(self) -> None:
        self.wfile.write(b"220 mx.test ESMTP\r\n")
        while verb := self.rfile.readline()[:4].upper():
            if verb == b"EHLO":
                self.wfile.write(b"250-mx.test\r\n250 STARTTLS\r\n")
            elif verb == b"STAR":
                self.wfile.write(b"220 go ahead\r\n")
                inside = self.server.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = inside.makefile("rb"), inside.makefile("wb", 0)
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                encrypted = isinstance(self.wfile, socket.SocketIO)
                self.wfile.write(b"250 ok\r\n" if encrypted else b"530 STARTTLS first\r\n")


class _SubmissionServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), _Submission)


@contextmanager
def _submission(
    directory: Path, tls_first: bool = False, left_days: float = 60, life_days: float = 90
) -> Iterator[int]:
    """By a certificate of its own for mx.test, `both.pem`."""
    file = directory / "both.pem"
    file.write_bytes(certificate("mx.test", left_days=left_days, life_days=life_days))
    with _SubmissionServer(file) as server:
        if tls_first:
            server.socket = server.context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_an_open_relay_behind_starttls_is_found(tmp_path: Path) -> None:
    with _submission(tmp_path) as port:
        status, finding = _statuses(port, tls=True)["relay"]
    assert status is Status.FAIL
    assert "anyone to anyone" in finding


@pytest.mark.parametrize("tls_first", [False, True])
@pytest.mark.parametrize(
    ("name", "left", "life", "trusted", "status"),
    [
        ("mx.test", 60, 90, True, Status.OK),
        ("mx.test", 10, 90, True, Status.WARN),
        ("mx.test", 10, 3650, True, Status.WARN),
        ("mx.test", 1, 90, True, Status.FAIL),
        # Of a day, Caddy renews when a third is left.
        ("mx.test", 0.33, 1, True, Status.OK),
        ("mx.test", 0.1, 1, True, Status.WARN),
        ("mx.test", 0.02, 1, True, Status.FAIL),
        ("other.test", 60, 90, True, Status.FAIL),
        ("mx.test", 60, 90, False, Status.FAIL),
    ],
)
def test_the_chain_of_submission_is_held_against_its_name(
    tmp_path: Path,
    tls_first: bool,
    name: str,
    left: float,
    life: float,
    trusted: bool,
    status: Status,
) -> None:
    with _submission(tmp_path, tls_first, left, life) as port:
        server = SmtpServer("127.0.0.1", port, tls=True, auth=True, tls_first=tls_first)
        ca_file = str(tmp_path / "both.pem") if trusted else None
        found = run_external_probe("one", "mailserver", server.certificate(name, ca_file))
    assert found.status is status, found
    told = "the chain does not hold" if found.value is None else "valid until"
    assert found.message.startswith(told)


def test_tls_from_the_start_is_asked_without_starttls(tmp_path: Path) -> None:
    with _submission(tmp_path, tls_first=True) as port:
        server = SmtpServer("127.0.0.1", port, tls=True, auth=False, tls_first=True)
        greets, _ = server.probes("the log")
        found = run_external_probe("one", "mailserver", greets)
    assert (found.status, found.message) == (Status.OK, "answers EHLO, TLS")


@pytest.mark.parametrize(
    ("mode", "code", "finding"),
    [
        ("STARTTLS", 1, "verify error:self-signed certificate"),
        ("Auto", 0, "220 mx.test ESMTP"),
    ],
)
def test_a_smarthosts_certificate_counts_where_postal_verifies_it(
    tmp_path: Path, mode: str, code: int, finding: str
) -> None:
    """The probe's own command, and an openssl that asks a real server."""
    with _submission(tmp_path) as port:
        probe = postal_relay_probe(f"smtp://127.0.0.1:{port}?ssl_mode={mode}")
        done = subprocess.run(
            ["sh", "-c", probe.command], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout.strip()) == (code, finding)


def test_a_server_that_refuses_strangers_is_well() -> None:
    with _serving(b"530 Authentication required", b"AUTH PLAIN") as port:
        found = _statuses(port, tls=False)
    assert found["relay"] == (Status.OK, "refuses strangers: 530 Authentication required")
    assert found["SMTP"] == (Status.OK, "answers EHLO, AUTH")


def test_a_server_without_starttls_is_found() -> None:
    with _serving(b"530 no", b"SIZE 1000") as port:
        assert _statuses(port, tls=True)["SMTP"][1] == "answers EHLO, but offers no STARTTLS"
        assert _statuses(port, tls=False)["SMTP"] == (Status.FAIL, "no AUTH")


@pytest.mark.parametrize(
    ("url", "name", "words"),
    [
        ("smtp://a.test:2525?ssl_mode=STARTTLS", "relay a.test:2525", "-starttls smtp"),
        ("smtp://a.test:465?ssl_mode=TLS", "relay a.test:465", "openssl s_client"),
        ("smtp://a.test?ssl_mode=Auto", "relay a.test:25", "/dev/tcp/a.test/25"),
    ],
)
def test_relays_are_asked_as_postal_will_use_them(url: str, name: str, words: str) -> None:
    probe = postal_relay_probe(url)
    assert probe.name == name
    assert words in probe.command


def test_a_relay_that_nobody_runs() -> None:
    """The commands are real ones; the port is closed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for tls in ("starttls", "none"):
            command = relay_probe("127.0.0.1", port, tls).command
            done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
            assert done.returncode == 1
            assert done.stdout.strip()


def test_a_host_tells_how_long_its_own_work_took() -> None:
    fact = Answers()
    script = fact.command({"base: one": "sleep 0.2; echo fine"})
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    outputs = fact.process(done.stdout.splitlines())
    assert outputs["base: one"] == Output("0", "fine")
    assert float(outputs[TOOK].line) >= 200


def test_an_answer_with_a_byte_that_is_no_utf_8_is_told_without_it() -> None:
    fact = Answers()
    script = fact.command({"base: one": "printf 'Andr\\351 here'; exit 80"})
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert fact.process(done.stdout.splitlines())["base: one"] == Output("80", "Andr here")


def test_what_a_login_prints_is_no_answer() -> None:
    """Debian's bash reads ~/.bashrc for commands over SSH too."""
    lines = ["Welcome to\tone", "base: one\t0\tmeasured 4\tfine"]
    assert Answers().process(lines) == {"base: one": Output("0", "fine", "measured 4")}
    printed = ["Welcome", "Welcome\tto\tone", "up\t3\tdays!"]
    answers = ["one\t0\tZmlu", "one\t0\tZQo=", "one\t0\t", "two\t124\t"]
    assert Sections().process([*printed, *answers]) == {
        "one": Section(0, "fine\n"),
        "two": Section(124, ""),
    }
