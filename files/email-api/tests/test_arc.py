"""ARC seals cover the results of our mailserver, never those that a sender claims."""

import base64
import subprocess

import dkim

from tests.conftest import Stack
from tests.servers import RSA_KEY

OURS = b"Authentication-Results: mx1.example.com; spf=pass smtp.mailfrom=a@sender.test\r\n"
FORGED = b"Authentication-Results: mx.victim.test; dkim=pass header.d=victim.test\r\n"
MESSAGE = b"From: a@sender.test\r\nSubject: hello\r\n\r\nbody\r\n"


def _record(name: bytes, timeout: float = 5) -> bytes:
    """The TXT record of the public key, in place of DNS."""
    assert name == b"arc._domainkey.fwd.example.com."
    public = ["openssl", "rsa", "-pubout", "-outform", "DER"]
    der = subprocess.run(public, input=RSA_KEY.encode(), capture_output=True, check=True).stdout
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def _forwarded(stack: Stack, message: bytes) -> bytes:
    assert stack.post(message).status_code == 202
    return stack.relay.received[-1].message


def test_results_of_the_mailserver_are_sealed(stack: Stack) -> None:
    sent = _forwarded(stack, OURS + FORGED + MESSAGE)
    verdict, _, reason = dkim.arc_verify(sent, dnsfunc=_record)
    assert verdict == dkim.CV_Pass, reason
    (results,) = [line for line in sent.split(b"ARC-") if line.startswith(b"Authentication-")]
    assert b"spf=pass smtp.mailfrom=a@sender.test" in results.partition(b"X-")[0]
    assert b"victim" not in sent.partition(b"Authentication-Results: mx1")[0]
    assert sent.endswith(OURS + FORGED + MESSAGE)


def test_seal_is_valid_after_line_ends_are_converted(stack: Stack) -> None:
    sent = _forwarded(stack, (OURS + MESSAGE).replace(b"\r\n", b"\n") + b"a\rb\n")
    assert dkim.arc_verify(sent, dnsfunc=_record)[0] == dkim.CV_Pass


def test_message_without_results_of_the_mailserver_is_not_sealed(stack: Stack) -> None:
    assert b"ARC-" not in _forwarded(stack, FORGED + MESSAGE)


def test_unchecked_chain_is_not_continued(stack: Stack) -> None:
    sent = _forwarded(stack, OURS + MESSAGE)
    second_pass = OURS + sent.replace(b"X-Loop:", b"X-Looped:")
    assert _forwarded(stack, second_pass).count(b"ARC-Seal:") == 1
