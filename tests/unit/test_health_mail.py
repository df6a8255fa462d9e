"""The end-to-end probe: what a received message tells, and what becomes of it."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage

import pytest

from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.fleet.errors import SettingsError
from mailfleet.health import mail
from mailfleet.health.mail import Probe, _Arrived, _refusal, _results, _send, probes
from mailfleet.health.mailbox import MARK, Found
from mailfleet.health.received import Hop, authentication, hops, way
from tests.unit.conftest import INVENTORY, Write

RAW = b"""\
Authentication-Results: mx.b.test (amavisd); dkim=fail (bad signature)
 header.d=old.test; dkim=pass (2048-bit key; comment; more) header.d=a.test
Authentication-Results: mx.b.test 1; spf=Pass smtp.mailfrom=rp.a.test;
 dmarc=none
Authentication-Results: forged.test; dmarc=pass
Received: from postal1.a.test (postal1.a.test [192.0.2.1]) by mx.b.test (Postfix)
 with ESMTPS id 4ABC; for <x@b.test>; Thu, 01 Jan 2026 00:00:12 +0000 (UTC)
Received: from localhost by nowhere
Received: from app ([192.0.2.9]) by api.postal.test with HTTP (by way of nobody);
 Thu, 01 Jan 2026 01:00:03 +0100
Subject: x

y
"""
SENT = 1767225600.0
"""2026-01-01T00:00:00Z"""


def _message(raw: bytes = RAW) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_hops_are_told_in_the_order_of_the_way() -> None:
    assert hops(_message()) == [Hop("api.postal.test", SENT + 3), Hop("mx.b.test", SENT + 12)]
    assert way(_message(), SENT) == "api.postal.test 3 s, mx.b.test 9 s"


def test_only_the_receivers_own_results_count() -> None:
    assert authentication(_message()) == {"dkim": "pass", "spf": "pass", "dmarc": "none"}
    assert authentication(_message(b"Subject: x\n\ny\n")) == {}


def test_a_sender_cannot_forge_a_result_by_a_comment() -> None:
    raw = b"Authentication-Results: mx.b.test; spf=fail (x; dmarc=pass) smtp.mailfrom=a\n\ny\n"
    assert authentication(_message(raw)) == {"spf": "fail"}


PROBE = Probe("postal1", "postal", "SMTP", lambda message: None, "x@b.test", "the log")


def test_a_probe_can_be_told_from_other_mail() -> None:
    message = PROBE.message("probe@a.test")
    assert message[MARK] == PROBE.mark
    assert PROBE.mark in message["Subject"]
    assert message["Message-ID"].endswith("@a.test>")


@pytest.mark.parametrize(
    ("seconds", "folder", "raw", "statuses"),
    [
        (5, "INBOX", RAW.replace(b"dmarc=none", b"dmarc=pass"), [Status.OK, Status.OK]),
        (5, "INBOX", RAW, [Status.OK, Status.WARN]),
        (5, "Junk", RAW, [Status.WARN, Status.WARN]),
        (70, "INBOX", RAW, [Status.WARN, Status.WARN]),
        (120, "INBOX", b"Subject: x\n\ny\n", [Status.FAIL, Status.WARN]),
    ],
)
def test_what_arrived_is_judged(
    seconds: float, folder: str, raw: bytes, statuses: list[Status]
) -> None:
    arrived = _Arrived(Found(_message(raw), folder), SENT + seconds)
    found = _results(PROBE, SENT, "", arrived, 120)
    assert [one.status for one in found] == statuses
    assert found[0].value == seconds
    assert {one.level for one in found} == {Level.MAIL}
    assert all(bool(one.remedy) == (one.status is not Status.OK) for one in found)


def test_mail_that_came_sooner_than_it_must_is_no_failure() -> None:
    """Whatever health_mail_seconds is."""
    arrived = _Arrived(Found(_message(), "INBOX"), SENT + 5)
    assert _results(PROBE, SENT, "", arrived, 30)[0].status is Status.OK
    late = replace(arrived, at=SENT + 31)
    assert _results(PROBE, SENT, "", late, 30)[0].status is Status.FAIL


def test_what_did_not_arrive_leads_to_the_diagnosis() -> None:
    for error in ("", "535 Invalid credential"):
        (found,) = _results(PROBE, SENT, error, None, 120)
        assert found.status is Status.FAIL
        assert error in found.message
        assert "mailfleet diagnose INVENTORY --to x@b.test" in found.remedy


SETTINGS = """
from mailfleet.secrets import secret
health_mailbox = "probe@b.test"
health_imap_host = "imap.b.test"
health_imap_password = secret("health/imap")
health_mail_from = "probe@example.com"
"""


def test_each_way_that_has_a_credential_is_probed(fleet_from: Write) -> None:
    keys = 'health_smtp_key = secret("health/smtp")\nhealth_api_key = secret("health/api")\n'
    fleet = replace(fleet_from(SETTINGS + keys), masked=True)
    assert [(one.host, one.name) for one in probes(fleet)] == [
        ("postal1", "SMTP"),
        ("postal1", "API"),
    ]


def test_a_way_without_a_credential_is_left_out(fleet_from: Write) -> None:
    assert probes(replace(fleet_from(SETTINGS), masked=True)) == []


def test_without_a_mailbox_nothing_is_sent(fleet_from: Write) -> None:
    (found,) = mail.ask_mail(fleet_from())
    assert found.status is Status.UNKNOWN
    assert "health_mailbox" in found.remedy


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('health_mailbox = "probe@b.test"', "health_imap_host: is required with health_mailbox"),
        ('health_mail_alias = "a@b.test"', "needs health_mailbox"),
        (SETTINGS + 'health_mail_alias = "a@b.test"', "health_smtp_key: is required"),
    ],
)
def test_half_a_description_is_refused(fleet_from: Write, settings: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        fleet_from(settings)


class _Postal(socketserver.StreamRequestHandler):
    """Offers what Postal's SMTP server offers, knows no key, and keeps what it is asked."""

    server: "_Server"

    def handle(self) -> None:
        self.wfile.write(b"220 mx.a.test ESMTP Postal/X\r\n")
        for line in self.rfile:
            self.server.asked.append(line.split()[:2])
            if line.startswith(b"ehlo"):
                self.wfile.write(b"250-My capabilities are\r\n250 AUTH CRAM-MD5 PLAIN LOGIN\r\n")
            else:
                self.wfile.write(b"535 Invalid credential\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        super().__init__(("127.0.0.1", 0), _Postal)


@contextmanager
def _postal() -> Iterator[_Server]:
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


_WITH_KEY = """
health_smtp_key = secret("health/smtp")
postal_smtp_tls = "off"
"""


def _asked(fleet_from: Write, server: _Server) -> list[CheckResult]:
    inventory = INVENTORY.replace("192.0.2.10", "127.0.0.1")
    port = server.server_address[1]
    settings = f"{SETTINGS}{_WITH_KEY}postal_smtp_ports = [{port}]\nhealth_imap_port = 1\n"
    settings = settings.replace("imap.b.test", "localhost")
    return mail.ask_mail(replace(fleet_from(settings, inventory), masked=True))


def test_a_refused_key_is_one_failed_login_and_outweighs_the_mailbox(fleet_from: Write) -> None:
    """Postal logs each failed login, and the diagnosis takes those for an application's. Nobody
    serves the mailbox either."""
    with _postal() as server:
        (found,) = _asked(fleet_from, server)
    assert (found.status, "535" in found.message) == (Status.FAIL, True)
    assert [it[1] for it in server.asked if it[0].upper() == b"AUTH"] == [b"PLAIN"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            '{"status":"error","data":{"message":"The API token was not valid.",'
            '"token":"s3cret","code":"InvalidServerAPIKey"}}',
            "InvalidServerAPIKey The API token was not valid.",
        ),
        ('{"status":"parameter-error","data":{"message":"`to` is missing"}}', "`to` is missing"),
        ('{"status":"success","data":{"message_id":"x"}}', ""),
        ('{"status":"error","data":{}}', "refused without a reason"),
        ("<html>502</html>", "no answer of Postal's API"),
        ("[]", "no answer of Postal's API"),
    ],
)
def test_a_refusal_of_the_api_tells_no_key(body: str, told: str) -> None:
    assert _refusal(200, body.encode()) == told


def test_a_key_that_no_login_can_hold_is_not_told() -> None:
    def send(message: EmailMessage) -> None:
        raise ValueError("Invalid header value b's3cret\\n'")

    told = _send(replace(PROBE, send=send), "probe@a.test")
    assert told == "the credential cannot be sent: ValueError"
