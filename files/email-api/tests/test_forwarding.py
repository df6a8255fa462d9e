"""The copies that mailboxes receive, and the replies to Postfix."""

import asyncio
import threading

import httpx
import pytest

from tests.conftest import Stack
from tests.servers import ADMIN_TOKEN, OTHER_PSK

MESSAGE = b"From: Author <author@sender.test>\r\nSubject: hello\r\n\r\nbody\r\n"


def test_each_mailbox_of_an_alias_gets_one_copy(stack: Stack) -> None:
    assert stack.post(MESSAGE, "team@example.com").status_code == 202
    assert [mail.recipient for mail in stack.relay.received] == ["a@mailbox.test", "b@mailbox.test"]


def test_message_is_unchanged_below_the_trace_fields(stack: Stack) -> None:
    stack.post(MESSAGE)
    (mail,) = stack.relay.received
    trace, original, rest = mail.message.partition(MESSAGE)
    assert original == MESSAGE and rest == b""
    lines = trace.decode().replace("\r\n\t", " ").splitlines()
    assert lines[0].startswith("Received: by api.example.com (email-api) with HTTPS id 4cTQ2q0xyz")
    assert lines[1:] == ["X-Forwarded-To: a@mailbox.test", "X-Loop: info@example.com"]


@pytest.mark.parametrize(
    "body",
    [
        b"..\r\n.\r\n..two dots\r\n",
        bytes(range(128, 256)) + b"\r\n",
        b"x" * 100_000 + b"\r\n",
        b"\x00 null\r\n",
        b"\r\n\r\n\r\n",
        b"no line end",
    ],
    ids=["dots", "8-bit", "long line", "null", "empty lines", "no line end"],
)
def test_bodies_arrive_unchanged(stack: Stack, body: bytes) -> None:
    assert stack.post(b"Subject: x\r\n\r\n" + body).status_code == 202
    (mail,) = stack.relay.received
    assert mail.message.partition(b"\r\n\r\n")[2] == body.removesuffix(b"\r\n") + b"\r\n"


def test_25_megabytes_arrive_unchanged(stack: Stack) -> None:
    line = b"0123456789" * 7 + b"\r\n"
    body = line * (25_000_000 // len(line))
    assert stack.post(b"Subject: large\r\n\r\n" + body).status_code == 202
    (mail,) = stack.relay.received
    assert mail.message.partition(b"\r\n\r\n")[2] == body


def test_bare_cr_and_lf_become_crlf(stack: Stack) -> None:
    stack.post(b"Subject: x\n\none\ntwo\rthree\n")
    (mail,) = stack.relay.received
    assert mail.message.endswith(b"Subject: x\r\n\r\none\r\ntwo\r\nthree\r\n")


def test_retry_of_a_complete_handoff_sends_nothing(stack: Stack) -> None:
    responses = [stack.post(MESSAGE, "team@example.com").status_code for _ in range(3)]
    assert responses == [202, 202, 202]
    assert len(stack.relay.received) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"queue_id": "other1"},
        {"recipient": "team@example.com"},
        {"message": MESSAGE + b"more\r\n"},
    ],
    ids=["queue id", "recipient", "message"],
)
def test_handoff_that_differs_is_sent(stack: Stack, changed: dict[str, object]) -> None:
    stack.post(MESSAGE)
    before = len(stack.relay.received)
    first: dict[str, object] = {"message": MESSAGE}
    assert stack.post(**(first | changed)).status_code == 202  # type: ignore[arg-type]
    assert len(stack.relay.received) > before


def test_concurrent_identical_posts_send_once(stack: Stack) -> None:
    codes: list[int] = []
    url = str(stack.client.base_url)
    headers = {"Authorization": f"Bearer {OTHER_PSK}", "X-Queue-Id": "same"}
    headers["X-Envelope-Recipient"] = "team@example.com"

    def post() -> None:
        codes.append(httpx.post(f"{url}/v1/email", content=MESSAGE, headers=headers).status_code)

    threads = [threading.Thread(target=post) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {202}
    assert len(stack.relay.received) == 2


def test_retry_sends_to_the_missing_mailboxes_only(stack: Stack) -> None:
    stack.relay.recipient_replies["a@mailbox.test"] = "450 4.2.1 later"
    response = stack.post(MESSAGE, "team@example.com")
    assert (response.status_code, response.json()) == (503, {"reason": "relay"})
    assert [mail.recipient for mail in stack.relay.received] == []
    stack.relay.recipient_replies["a@mailbox.test"] = "550 5.1.1 gone"
    response = stack.post(MESSAGE, "team@example.com")
    assert (response.status_code, response.json()) == (503, {"reason": "relay_refused"})
    assert [mail.recipient for mail in stack.relay.received] == ["b@mailbox.test"]
    stack.relay.recipient_replies.clear()
    assert stack.post(MESSAGE, "team@example.com").status_code == 202
    assert [mail.recipient for mail in stack.relay.received] == ["b@mailbox.test", "a@mailbox.test"]


class TestAliases:
    @pytest.mark.parametrize(
        ("recipient", "mailbox"),
        [
            ("INFO@Example.COM", "a@mailbox.test"),
            ("info+tag@example.com", "a@mailbox.test"),
            ("anyone@catch.example.com", "c@mailbox.test"),
            ("gr%C3%BCn@example.com", "grün@mailbox.test"),
        ],
    )
    def test_envelope_recipient(self, stack: Stack, recipient: str, mailbox: str) -> None:
        assert stack.post(MESSAGE, recipient).status_code == 202
        assert [mail.recipient for mail in stack.relay.received] == [mailbox]

    @pytest.mark.parametrize("recipient", ["who@example.com", "off@example.com", "x", "%00@%FF"])
    def test_unknown_and_disabled_aliases(self, stack: Stack, recipient: str) -> None:
        response = stack.post(MESSAGE, recipient)
        assert (response.status_code, response.json()) == (404, {"reason": "unknown_alias"})

    @pytest.mark.parametrize(
        ("header", "mailboxes"),
        [
            (b"X-Original-To: info@example.com\nDelivered-To: c@mx\nTo: team@example.com\n", ["a"]),
            (b"Delivered-To: info@example.com\n", ["a"]),
            (b"Delivered-To: curl_email@mx.test\nReceived: x\nTo: info@example.com\n", ["a"]),
            # Fields below Received may come from the sender.
            (b"Received: x\nX-Original-To: info@example.com\nTo: x@catch.example.com\n", None),
            (b'To: "A, B" <info@example.com>, other@elsewhere.test\n', ["a"]),
            (b"To: x@elsewhere.test\nCc: y@test,\n\tTEAM@example.com\n", ["a", "b"]),
            (b"Bcc: team@example.com, info@example.com\n", ["a", "b", "a"]),
            (b"To: stranger@elsewhere.test\n", None),
        ],
    )
    def test_recipients_in_the_header(
        self, stack: Stack, header: bytes, mailboxes: list[str] | None
    ) -> None:
        response = stack.post(header + b"Subject: x\n\nbody\n", recipient=None)
        assert response.status_code == (202 if mailboxes else 404), response.text
        received = [mail.recipient.partition("@")[0] for mail in stack.relay.received]
        assert received == (mailboxes or [])

    def test_message_without_any_recipient(self, stack: Stack) -> None:
        response = stack.post(b"Subject: x\n\nto: info@example.com\n", recipient=None)
        assert (response.status_code, response.json()) == (400, {"reason": "no_recipient"})

    def test_mbox_line_and_return_path_are_removed(self, stack: Stack) -> None:
        rest = b"X-Original-To: info@example.com\nReturn-Path: <b@sender.test>\nSubject: x\n\nx\n"
        for date in (b"Mon Jan  1", b"Tue Jan  2"):
            line = b"From b@sender.test  " + date + b" 00:00:00 2026\n"
            assert stack.post(line + rest, None, None, None).status_code == 202
        (mail,) = stack.relay.received
        assert b"From b@" not in mail.message and b"Return-Path" not in mail.message
        assert mail.sender.endswith("=sender.test=b@fwd.example.com")


class TestSender:
    def test_bounce_returns_to_the_original_sender(self, stack: Stack) -> None:
        stack.post(MESSAGE, sender="au%2Bthor%3D1@sender.test")
        (mail,) = stack.relay.received
        assert mail.sender.startswith("SRS0=") and mail.sender.endswith("@fwd.example.com")
        address = mail.sender.upper().replace("%", "%25")
        assert stack.post(b"Subject: bounce\n\nx\n", address, sender="").status_code == 202
        back = stack.relay.received[1]
        assert back.sender == ""
        assert back.recipient.lower() == "au+thor=1@sender.test"

    def test_forged_bounce_address_is_refused(self, stack: Stack) -> None:
        forged = "SRS0=aaaaaaaaaa=aa=victim.test=someone@fwd.example.com"
        assert stack.post(MESSAGE, forged).status_code == 410
        assert asyncio.run(lmtp(stack, [forged], MESSAGE))[0].startswith("550 5.1.1")

    @pytest.mark.parametrize(
        "sender", ["x y@sender.test", "a%0D%0AX: y@s.test", "gr%C3%BCn@s.test"]
    )
    def test_unusual_senders_are_rewritten_to_ascii(self, stack: Stack, sender: str) -> None:
        assert stack.post(MESSAGE, sender=sender).status_code == 202
        (mail,) = stack.relay.received
        assert mail.sender.isascii() and " " not in mail.sender


class TestRefusals:
    @pytest.mark.parametrize("psk", ["wrong", ADMIN_TOKEN, "ü"])
    def test_wrong_psk(self, stack: Stack, psk: str) -> None:
        headers = [(b"Authorization", b"Bearer " + psk.encode())]
        response = stack.client.post("/v1/email", content=MESSAGE, headers=headers)
        assert (response.status_code, response.json()) == (401, {"reason": "unauthorized"})
        assert not stack.relay.received

    def test_too_large(self, stack: Stack) -> None:
        response = stack.post(b"Subject: x\n\n" + b"x" * 27_000_001)
        assert (response.status_code, response.json()) == (413, {"reason": "too_large"})

    def test_mail_loop_is_refused(self, stack: Stack) -> None:
        stack.post(MESSAGE)
        (mail,) = stack.relay.received
        response = stack.post(mail.message, queue_id="second1")
        assert (response.status_code, response.json()) == (508, {"reason": "loop"})
        assert stack.post(mail.message, "x@catch.example.com").status_code == 202
        assert stack.post(b"Received: x\n" * 101 + MESSAGE).status_code == 508

    @pytest.mark.parametrize("token", ["wrong", OTHER_PSK])
    def test_aliases_require_the_admin_token(self, stack: Stack, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        assert stack.client.get("/v1/admin/aliases", headers=headers).status_code == 401
        response = stack.client.put("/v1/admin/aliases", json={"aliases": []}, headers=headers)
        assert response.status_code == 401


def test_key_check_requires_the_psk(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {OTHER_PSK}"}
    assert stack.client.post("/v1/email/check", headers=headers).status_code == 204
    assert stack.client.post("/v1/email/check").status_code == 401


def test_aliases_are_replaced_as_a_whole(stack: Stack) -> None:
    entry: dict[str, object] = {"address": "x@example.com", "mailboxes": ["a@mailbox.test"]}
    first, second = stack.put_aliases([entry]).json(), stack.put_aliases([entry]).json()
    assert first == second
    assert [entry["address"] for entry in first["aliases"]] == ["x@example.com"]
    assert stack.post(MESSAGE).status_code == 404
    assert stack.put_aliases([entry, entry]).status_code == 422
    assert stack.post(MESSAGE, "x@example.com").status_code == 202


def test_commands_in_the_container(stack: Stack) -> None:
    assert stack.api.run("live").returncode == 0
    before = stack.api.run("aliases", "get").stdout
    body = '{"aliases": [{"address": "@example.com", "mailboxes": ["a@mailbox.test"]}]}'
    put = stack.api.run("aliases", "put", stdin=body)
    assert put.stdout != before
    assert put.stdout == stack.api.run("aliases", "get").stdout
    assert stack.api.run("aliases", "put", stdin="{").returncode == 1


def test_log_holds_message_ids_but_no_content_and_no_keys(stack: Stack) -> None:
    stack.post(b"Message-ID: <m1@sender.test>\nSubject: confidential\n\nconfidential\n")
    log = stack.api.log.read_text()
    assert '"queue_id": "4cTQ2q0xyz", "message_id": "<m1@sender.test>"' in log
    assert "confidential" not in log
    assert "psk-0123456789" not in log


def test_metrics_count_handoffs(stack: Stack) -> None:
    stack.post(MESSAGE, queue_id="metrics1")
    text = stack.client.get("/metrics").text
    assert 'email_api_handoffs_total{result="accepted"}' in text
    assert "email_api_pending 0.0" in text


class TestLmtp:
    def test_one_reply_per_recipient(self, stack: Stack) -> None:
        recipients = ["info@example.com", "who@example.com", "x@catch.example.com"]
        replies = asyncio.run(lmtp(stack, recipients, MESSAGE))
        assert [reply[:3] for reply in replies] == ["250", "450", "250"]
        assert {mail.recipient for mail in stack.relay.received} == {
            "a@mailbox.test",
            "c@mailbox.test",
        }

    def test_xforward_queue_id_identifies_a_retry(self, stack: Stack) -> None:
        for queue_id in ("4cTQ1", "4cTQ1", "4cTQ2"):
            asyncio.run(lmtp(stack, ["info@example.com"], MESSAGE, queue_id))
        assert len(stack.relay.received) == 2
        assert b"with LMTP id 4cTQ1" in stack.relay.received[0].message

    def test_bytes_arrive_unchanged(self, stack: Stack) -> None:
        body = b"." + bytes(range(128, 256)) + b"\r\n" + b"y" * 50_000 + b"\r\n..\r\n"
        replies = asyncio.run(lmtp(stack, ["info@example.com"], b"Subject: x\r\n\r\n" + body))
        assert replies[0].startswith("250")
        assert stack.relay.received[0].message.partition(b"\r\n\r\n")[2] == body


async def lmtp(
    stack: Stack, recipients: list[str], message: bytes, queue_id: str = ""
) -> list[str]:
    """Deliver a message as Postfix does. Returns the replies to the end of DATA."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.api.lmtp_port)

    async def read_reply() -> str:
        while True:
            line = (await asyncio.wait_for(reader.readline(), 60)).decode()
            if line[3:4] != "-":
                return line

    async def command(line: str) -> str:
        writer.write(f"{line}\r\n".encode())
        return await read_reply()

    await read_reply()
    assert (await command("LHLO mx.test")).startswith("250")
    if queue_id:
        assert (await command(f"XFORWARD IDENT={queue_id}")).startswith("250")
    assert (await command("MAIL FROM:<author@sender.test>")).startswith("250")
    for recipient in recipients:
        assert (await command(f"RCPT TO:<{recipient}>")).startswith("250")
    assert (await command("DATA")).startswith("354")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    writer.write(stuffed + b".\r\n")
    replies = [await read_reply() for _ in recipients]
    writer.close()
    return replies
