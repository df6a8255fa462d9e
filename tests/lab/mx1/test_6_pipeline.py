"""From a stranger's mail server to a real mailbox: SMTP, Postfix, the API, the relay; and a bounce
all the way back."""

import asyncio
import base64
import re
import smtplib
import uuid
from ipaddress import ip_address

import pytest

from lab.state import Lab
from mailfleet.dns.resolve.resolver import Resolver
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.spf import Verdict, evaluate
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.mail import arrived

ALIAS = "sales@in.lab.test"
AUTHOR = "an+author@internet.test"
# The default comes last, and stays.
HANDOFFS = {"alias": "HTTPS", "lmtp": "LMTP", "pipe": "HTTPS"}
BODY = b"8-bit: \xc3\xbc\xff\n.\n..dots\nFrom here\n" + b"x" * 990 + b"\nlast line\n"


@pytest.fixture(scope="module", params=HANDOFFS)
def handoff(
    request: pytest.FixtureRequest, operator: Operator, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Mailserver and API deployed, with each way of handing over."""
    way = str(request.param)
    changes = f'settings["mailserver_handoff"] = "{way}"'
    changed = operator.variant(tmp_path_factory.mktemp("handoff"), changes)
    changed.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()
    return way


def _message(mark: str) -> bytes:
    header = (
        f"From: {AUTHOR}\nTo: {ALIAS}\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n"
        f"Message-ID: <{mark}@internet.test>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\n"
    )
    return header.encode() + BODY


def _send(internet1: Machine, sender: str, recipient: str, message: bytes) -> None:
    """From internet1's own queue, to whomever DNS names."""
    text = base64.b64encode(message).decode()
    internet1.run(f"base64 -d <<<{text} | sendmail -i -f '{sender}' '{recipient}'")


def _arrives(internet1: Machine, mark: str) -> bytes:
    (file,) = until(lambda: arrived(internet1, mark), f"{mark} in the mailbox")
    return base64.b64decode(internet1.run(f"base64 {file}"))


def _return_path(arrived: bytes) -> str:
    return arrived.partition(b"\n")[0].decode().removeprefix("Return-Path: ").strip("<>")


def _spf(lab: Lab, address: str, sender: str, helo: str) -> Verdict:
    async def verdict() -> Verdict:
        resolver = Resolver([Address(lab.resolver)])
        try:
            return (await resolver.run(evaluate(ip_address(address), sender, helo))).verdict
        finally:
            resolver.close()

    return asyncio.run(verdict())


def test_mail_arrives_unchanged_from_a_sender_that_spf_allows(
    handoff: str, lab: Lab, internet1: Machine
) -> None:
    mark = uuid.uuid4().hex
    message = _message(mark)
    _send(internet1, AUTHOR, ALIAS, message)
    arrived = _arrives(internet1, mark)
    assert arrived.endswith(b"\n" + message)
    trace = arrived.removesuffix(message).decode()
    assert f"(email-api) with {HANDOFFS[handoff]}" in trace
    assert "X-Forwarded-To: inbox@internet.test" in trace
    sender = _return_path(arrived)
    assert re.fullmatch(r"SRS0=.+=internet\.test=an\+author@in\.lab\.test", sender)
    # As internet1 saw who brought it.
    found = re.search(r"^Received: from (\S+) \(\S+ \[([\d.]+)\]\)", trace, re.MULTILINE)
    assert found, trace
    assert _spf(lab, found[2], sender, found[1]) is Verdict.PASS
    assert _spf(lab, found[2], AUTHOR, found[1]) is Verdict.FAIL


def test_a_bounce_finds_the_author(handoff: str, internet1: Machine) -> None:
    mark, bounce = uuid.uuid4().hex, uuid.uuid4().hex
    _send(internet1, AUTHOR, ALIAS, _message(mark))
    rewritten = _return_path(_arrives(internet1, mark))
    _send(internet1, "", rewritten, _message(bounce))
    arrived = _arrives(internet1, bounce)
    assert _return_path(arrived) == ""
    assert f"X-Forwarded-To: {AUTHOR}".encode() in arrived


def test_the_postmaster_gets_mail_to_the_host(handoff: str, internet1: Machine) -> None:
    mark = uuid.uuid4().hex
    _send(internet1, AUTHOR, "postmaster@mx1.lab.test", _message(mark))
    assert b"X-Forwarded-To: inbox@internet.test" in _arrives(internet1, mark)


SRS = "SRS0=aaaaaaaaaa=aa=victim.test=someone@in.lab.test"


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [("", "SRS0=x@in.lab.test"), ("", SRS.replace("in.lab", "lab")), (AUTHOR, SRS)],
    ids=["malformed", "of another domain", "no bounce"],
)
def test_other_mail_to_rewritten_senders_is_refused(
    handoff: str, mx1: Machine, sender: str, recipient: str
) -> None:
    with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
        smtp.ehlo()
        assert smtp.docmd(f"MAIL FROM:<{sender}>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{recipient}>")[0] // 100 == 5


def test_a_forged_bounce_does_not_stay_in_the_queue(
    handoff: str, mx1: Machine, internet1: Machine
) -> None:
    if handoff == "alias":
        pytest.skip("the local alias keeps whatever is not accepted, to the letter")
    mark = uuid.uuid4().hex
    with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
        smtp.sendmail("", [SRS], _message(mark).replace(b"\n", b"\r\n"))
    until(lambda: "victim" not in mx1.run("docker exec mailserver postqueue -j"), "no trace of it")
    assert not arrived(internet1, mark)


def test_the_lab_shows_the_way_of_a_message(handoff: str, operator: Operator) -> None:
    shown = operator.run("mailfleet", "lab", "mail").ok().screen
    assert "is at internet1 in /home/inbox/Maildir/new/" in shown
    assert "X-Forwarded-To: inbox@internet.test" in shown
