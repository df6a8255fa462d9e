"""What hosts are asked about a message, by a real shell; Docker is another."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from mailfleet.checks.sections import SECONDS, Section, Sections
from mailfleet.diagnose.application import MAIL, failure_of
from mailfleet.diagnose.evidence import Evidence, of_host
from mailfleet.diagnose.questions import questions
from mailfleet.fleet.fleet import Fleet
from tests.probes import install
from tests.unit.conftest import INVENTORY, Write
from tests.unit.test_mailserver import MAILSERVER

TO = "a@in.example.com"
MX = """
_mx = ("mx1", {"host_fqdn": "mx1.example.com", "host_public_ipv4": "192.0.2.20"})
mailserver = email_api = [_mx]
"""
QUIET = """
case "$*" in
  "ps --format {{.Names}}") echo web-1 ;;
  "ps --format {{.Names}}|"*) echo "web-1|shop" ;;
esac
"""
"""A container runs, and says nothing."""


@pytest.fixture
def fleet(fleet_from: Write) -> Fleet:
    return fleet_from(
        inventory=INVENTORY + MX,
        mailserver=MAILSERVER,
        email_api='email_api_relay_host = "relay.example.net"\n'
        'email_api_srs_domain = "in.example.com"\n',
    )


def _asked(
    fleet: Fleet, host: str, directory: Path, docker: str, systemctl: str = "", to: str = TO
) -> Evidence:
    install(directory, docker=docker, systemctl=systemctl, ss="echo LISTEN 0 1 0.0.0.0:2525")
    command = Sections.command(Sections(), questions(fleet, fleet.hosts[host], to, None))
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{directory}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    return of_host(host, Sections.process(Sections(), done.stdout.splitlines()), to)


@pytest.mark.parametrize("host", ["postal1", "mx1"])
def test_who_has_nothing_to_tell_has_answered(fleet: Fleet, tmp_path: Path, host: str) -> None:
    assert _asked(fleet, host, tmp_path, QUIET).unanswered == ()


def test_a_container_that_is_down_has_not_answered(fleet: Fleet, tmp_path: Path) -> None:
    stopped = "Error response from daemon: container 0a1b is not running"
    docker = f"""
case "$*" in
  "exec mailserver"*) echo "{stopped}" >&2; exit 1 ;;
  *email-api*) echo "Error: No such object: email-api" >&2; exit 1 ;;
esac
"""
    assert _asked(fleet, "mx1", tmp_path, docker).unanswered == (
        f"mx1: postfix: {stopped}",
        "mx1: api: Error: No such object: email-api",
    )


@pytest.mark.parametrize(
    ("host", "asked"), [("postal1", ("postal", "logins")), ("mx1", ("postfix", "api"))]
)
def test_without_docker_what_should_run_in_it_has_not_answered(
    fleet: Fleet, tmp_path: Path, host: str, asked: tuple[str, ...]
) -> None:
    docker = 'echo "Cannot connect to the Docker daemon at $DOCKER_HOST." >&2; exit 1'
    error = "Cannot connect to the Docker daemon at unix:///docker.service-is-not-active."
    unanswered = _asked(fleet, host, tmp_path, docker, systemctl="exit 3").unanswered
    assert unanswered == tuple(f"{host}: {name}: {error}" for name in asked)


def test_a_docker_that_fails_is_no_docker_without_applications(
    fleet: Fleet, tmp_path: Path
) -> None:
    docker = 'case "$1" in ps) echo "permission denied" >&2; exit 1 ;; esac'
    assert _asked(fleet, "mx1", tmp_path, docker).unanswered == (
        "mx1: redirects: permission denied",
        "mx1: applications: permission denied",
    )


def test_who_takes_too_long_has_not_answered() -> None:
    line = "web-1|2026-01-01T00:00:00Z smtp: connection refused"
    late = of_host("postal1", {"applications": Section(124, line)})
    assert late.unanswered == (f"postal1: applications: no answer within {SECONDS} s",)
    assert [it.text for it in late.application] == ["smtp: connection refused"]
    silent = of_host("mx1", {"api": Section(137, "")})
    assert silent.unanswered == ("mx1: api: exit status 137",)


FAILURES = (
    "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Error')",
    "mail: 535 Incorrect authentication data",
    "Error: Invalid login: EAUTH smtp",
    "SMTP: authentication failed",
    "smtp: Invalid credentials",
    "SMTP Error: Could not authenticate.",
    "smtplib: certificate verify failed: unable to get local issuer certificate",
    "smtp: CERT_HAS_EXPIRED",
    "curl: (60) smtp: certificate has expired",
    "SMTP: self signed certificate",
    "SMTP: self-signed certificate in certificate chain",
    "smtp: hostname mismatch",
    "mail: tls: x509: certificate signed by unknown authority",
    "SMTP: Connection refused",
    "connect ECONNREFUSED 192.0.2.1:2525",
    "smtp: timed out",
    "SMTP: Connection timeout",
    "smtp: connect ETIMEDOUT",
    "dial tcp 192.0.2.1:25: i/o timeout",
    "smtp: ESOCKETTIMEDOUT",
    "SMTPServerDisconnected: Connection unexpectedly closed",
    "smtp: read ECONNRESET",
    "mail: connection reset by peer",
    "smtp: unexpected EOF",
    "SMTPSenderRefused: (530, b'From/Sender name is not valid')",
)


def _logs(directory: Path, *lines: str) -> str:
    """A Docker in which one application says these lines, with their time."""
    log = directory / "application.log"
    text = "".join(f"2026-01-01T00:25:00.000000000Z {line}\n" for line in lines)
    log.write_text(text, errors="surrogateescape")
    return f"""{QUIET}
case "$*" in
  "logs --timestamps "*web-1) cat {log} ;;
esac
"""


def test_each_failure_that_is_understood_is_fetched(fleet: Fleet, tmp_path: Path) -> None:
    docker = _logs(tmp_path, *FAILURES, "GET /mail 200", "mail sent in 535 ms")
    found = _asked(fleet, "postal1", tmp_path, docker)
    assert [line.text for line in found.application] == list(FAILURES)
    assert all(failure_of(line) for line in FAILURES)


def test_what_else_fails_pushes_no_failure_of_mail_out(fleet: Fleet, tmp_path: Path) -> None:
    mail = ["smtp: authentication failed", f"queued for {TO}", "smtp caf\udce9: timed out"]
    redis = ["connect ECONNREFUSED 127.0.0.1:6379", "11:25:02 redis: i/o timeout"] * 60
    found = _asked(fleet, "postal1", tmp_path, _logs(tmp_path, *mail, *redis))
    assert [line.text for line in found.application] == [*mail[:2], "smtp caf\ufffd: timed out"]


@pytest.mark.parametrize(
    ("line", "mail"),
    [
        ("connect to 192.0.2.1:25 refused", True),
        ("dial tcp [2001:db8::1]:2525: connect: connection refused", True),
        ("host1:587", True),
        ("SMTP refused", True),
        ("2026-01-01T11:25:02Z redis", False),
        ("11:12:25 redis", False),
        ("11:25 redis", False),
    ],
)
def test_a_port_of_smtp_tells_of_mail_and_a_time_does_not(line: str, mail: bool) -> None:
    grep = ["grep", "-q", "-i", "-E", "-e", MAIL]
    assert bool(re.search(MAIL, line, re.IGNORECASE)) == mail
    assert (subprocess.run(grep, input=line, text=True, check=False).returncode == 0) == mail


def test_a_redirect_of_all_mail_has_an_address(fleet: Fleet, tmp_path: Path) -> None:
    redirects = ["EMAIL_REDIRECT_TO=ops@c.test", "APP_MAIL_OVERRIDE_TO=Ops <ops@c.test>"]
    others = [
        "EMAIL_REDIRECT_URL=https://app.c.test/ok",
        "MAIL_REDIRECT_URL=https://c.test/@ops",
        "MAIL_OVERRIDE_ENABLED=false",
        "MAIL_OVERRIDE_URL=smtp://user:password@c.test",
        "MAIL_REDIRECT_FROM_REPLY=",
        "MAIL_FROM=ops@c.test",
    ]
    (tmp_path / "environment").write_text(
        "".join(f"2026-01-01T00:00:00Z {it}\n" for it in (*others, *redirects))
    )
    docker = f"""{QUIET}
case "$*" in
  "inspect --format"*) cat {tmp_path}/environment ;;
esac
"""
    found = _asked(fleet, "postal1", tmp_path, docker)
    assert [line.text for line in found.redirects] == redirects
