"""ARC: what our mailserver found is sealed; what a sender claims is not."""

import base64
import subprocess

import dkim

from tests.conftest import World
from tests.servers import RSA_KEY

OURS = b"Authentication-Results: mx1.example.com; spf=pass smtp.mailfrom=a@sender.test\r\n"
FORGED = b"Authentication-Results: mx.victim.test; dkim=pass header.d=victim.test\r\n"
MESSAGE = b"From: a@sender.test\r\nSubject: hello\r\n\r\nbody\r\n"


def _record(name: bytes, timeout: float = 5) -> bytes:
    """As DNS has it."""
    assert name == b"arc._domainkey.fwd.example.com."
    public = ["openssl", "rsa", "-pubout", "-outform", "DER"]
    der = subprocess.run(public, input=RSA_KEY.encode(), capture_output=True, check=True).stdout
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def _forwarded(world: World, message: bytes) -> bytes:
    assert world.post(message).status_code == 202
    return world.sink.received[-1].message


def test_what_the_mailserver_found_is_sealed(world: World) -> None:
    sent = _forwarded(world, OURS + FORGED + MESSAGE)
    verdict, _, reason = dkim.arc_verify(sent, dnsfunc=_record)
    assert verdict == dkim.CV_Pass, reason
    (results,) = [line for line in sent.split(b"ARC-") if line.startswith(b"Authentication-")]
    assert b"spf=pass smtp.mailfrom=a@sender.test" in results.partition(b"X-")[0]
    assert b"victim" not in sent.partition(b"Authentication-Results: mx1")[0]
    assert sent.endswith(OURS + FORGED + MESSAGE)


def test_line_ends_that_the_relay_does_not_get_do_not_break_the_seal(world: World) -> None:
    sent = _forwarded(world, (OURS + MESSAGE).replace(b"\r\n", b"\n") + b"a\rb\n")
    assert dkim.arc_verify(sent, dnsfunc=_record)[0] == dkim.CV_Pass


def test_nothing_is_sealed_that_was_not_checked(world: World) -> None:
    assert b"ARC-" not in _forwarded(world, FORGED + MESSAGE)


def test_a_chain_that_was_not_checked_is_not_continued(world: World) -> None:
    sent = _forwarded(world, OURS + MESSAGE)
    again = OURS + sent.replace(b"X-Loop:", b"X-Looped:")
    assert _forwarded(world, again).count(b"ARC-Seal:") == 1
