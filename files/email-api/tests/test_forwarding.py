"""What a mailbox gets, and what Postfix is told."""

import asyncio
import threading

import httpx
import pytest

from tests.conftest import World
from tests.servers import ADMIN_TOKEN, OTHER_PSK

MESSAGE = b"From: Author <author@sender.test>\r\nSubject: hello\r\n\r\nbody\r\n"


def test_each_mailbox_of_an_alias_gets_one_copy(world: World) -> None:
    assert world.post(MESSAGE, "team@example.com").status_code == 202
    assert [one.recipient for one in world.sink.received] == ["a@mailbox.test", "b@mailbox.test"]


def test_the_message_arrives_as_it_was_below_our_trace(world: World) -> None:
    world.post(MESSAGE)
    (one,) = world.sink.received
    trace, original, rest = one.message.partition(MESSAGE)
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
def test_bodies_arrive_unchanged(world: World, body: bytes) -> None:
    assert world.post(b"Subject: x\r\n\r\n" + body).status_code == 202
    (one,) = world.sink.received
    assert one.message.partition(b"\r\n\r\n")[2] == body.removesuffix(b"\r\n") + b"\r\n"


def test_25_megabytes_arrive_unchanged(world: World) -> None:
    line = b"0123456789" * 7 + b"\r\n"
    body = line * (25_000_000 // len(line))
    assert world.post(b"Subject: large\r\n\r\n" + body).status_code == 202
    (one,) = world.sink.received
    assert one.message.partition(b"\r\n\r\n")[2] == body


def test_line_ends_of_unix_become_those_of_smtp(world: World) -> None:
    world.post(b"Subject: x\n\none\ntwo\rthree\n")
    (one,) = world.sink.received
    assert one.message.endswith(b"Subject: x\r\n\r\none\r\ntwo\r\nthree\r\n")


def test_the_same_handoff_again_sends_nothing_again(world: World) -> None:
    answers = [world.post(MESSAGE, "team@example.com").status_code for _ in range(3)]
    assert answers == [202, 202, 202]
    assert len(world.sink.received) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"queue_id": "other1"},
        {"recipient": "team@example.com"},
        {"message": MESSAGE + b"more\r\n"},
    ],
    ids=["queue id", "recipient", "message"],
)
def test_another_handoff_is_sent(world: World, changed: dict[str, object]) -> None:
    world.post(MESSAGE)
    before = len(world.sink.received)
    first: dict[str, object] = {"message": MESSAGE}
    assert world.post(**(first | changed)).status_code == 202  # type: ignore[arg-type]
    assert len(world.sink.received) > before


def test_concurrent_identical_posts_send_once(world: World) -> None:
    codes: list[int] = []
    url = str(world.http.base_url)
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
    assert len(world.sink.received) == 2


def test_only_the_mailboxes_that_miss_it_are_tried_again(world: World) -> None:
    world.sink.recipient_answers["a@mailbox.test"] = "450 4.2.1 later"
    answer = world.post(MESSAGE, "team@example.com")
    assert (answer.status_code, answer.json()) == (503, {"reason": "relay"})
    assert [one.recipient for one in world.sink.received] == []
    world.sink.recipient_answers["a@mailbox.test"] = "550 5.1.1 gone"
    answer = world.post(MESSAGE, "team@example.com")
    assert (answer.status_code, answer.json()) == (503, {"reason": "relay_refused"})
    assert [one.recipient for one in world.sink.received] == ["b@mailbox.test"]
    world.sink.recipient_answers.clear()
    assert world.post(MESSAGE, "team@example.com").status_code == 202
    assert [one.recipient for one in world.sink.received] == ["b@mailbox.test", "a@mailbox.test"]


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
    def test_envelope_recipient(self, world: World, recipient: str, mailbox: str) -> None:
        assert world.post(MESSAGE, recipient).status_code == 202
        assert [one.recipient for one in world.sink.received] == [mailbox]

    @pytest.mark.parametrize("recipient", ["who@example.com", "off@example.com", "x", "%00@%FF"])
    def test_unknown_and_disabled_ones(self, world: World, recipient: str) -> None:
        answer = world.post(MESSAGE, recipient)
        assert (answer.status_code, answer.json()) == (404, {"reason": "unknown_alias"})

    @pytest.mark.parametrize(
        ("header", "mailboxes"),
        [
            (b"X-Original-To: info@example.com\nDelivered-To: c@mx\nTo: team@example.com\n", ["a"]),
            (b"Delivered-To: info@example.com\n", ["a"]),
            (b"Delivered-To: curl_email@mx.test\nReceived: x\nTo: info@example.com\n", ["a"]),
            # Below Received the sender may write what he likes.
            (b"Received: x\nX-Original-To: info@example.com\nTo: x@catch.example.com\n", None),
            (b'To: "A, B" <info@example.com>, other@elsewhere.test\n', ["a"]),
            (b"To: x@elsewhere.test\nCc: y@test,\n\tTEAM@example.com\n", ["a", "b"]),
            (b"Bcc: team@example.com, info@example.com\n", ["a", "b", "a"]),
            (b"To: stranger@elsewhere.test\n", None),
        ],
    )
    def test_header(self, world: World, header: bytes, mailboxes: list[str] | None) -> None:
        answer = world.post(header + b"Subject: x\n\nbody\n", recipient=None)
        assert answer.status_code == (202 if mailboxes else 404), answer.text
        found = [one.recipient.partition("@")[0] for one in world.sink.received]
        assert found == (mailboxes or [])

    def test_no_recipient_at_all(self, world: World) -> None:
        answer = world.post(b"Subject: x\n\nto: info@example.com\n", recipient=None)
        assert (answer.status_code, answer.json()) == (400, {"reason": "no_recipient"})

    def test_the_mbox_line_is_no_part_of_the_message(self, world: World) -> None:
        rest = b"X-Original-To: info@example.com\nReturn-Path: <b@sender.test>\nSubject: x\n\nx\n"
        for date in (b"Mon Jan  1", b"Tue Jan  2"):
            line = b"From b@sender.test  " + date + b" 00:00:00 2026\n"
            assert world.post(line + rest, None, None, None).status_code == 202
        (one,) = world.sink.received
        assert b"From b@" not in one.message and b"Return-Path" not in one.message
        assert one.sender.endswith("=sender.test=b@fwd.example.com")


class TestSender:
    def test_a_bounce_finds_its_way_back(self, world: World) -> None:
        world.post(MESSAGE, sender="au%2Bthor%3D1@sender.test")
        (one,) = world.sink.received
        assert one.sender.startswith("SRS0=") and one.sender.endswith("@fwd.example.com")
        address = one.sender.upper().replace("%", "%25")
        assert world.post(b"Subject: bounce\n\nx\n", address, sender="").status_code == 202
        back = world.sink.received[1]
        assert back.sender == ""
        assert back.recipient.lower() == "au+thor=1@sender.test"

    def test_a_forged_return_address_leads_nowhere(self, world: World) -> None:
        forged = "SRS0=aaaaaaaaaa=aa=victim.test=someone@fwd.example.com"
        assert world.post(MESSAGE, forged).status_code == 410
        assert asyncio.run(lmtp(world, [forged], MESSAGE))[0].startswith("550 5.1.1")

    @pytest.mark.parametrize(
        "sender", ["x y@sender.test", "a%0D%0AX: y@s.test", "gr%C3%BCn@s.test"]
    )
    def test_odd_senders_make_plain_addresses(self, world: World, sender: str) -> None:
        assert world.post(MESSAGE, sender=sender).status_code == 202
        (one,) = world.sink.received
        assert one.sender.isascii() and " " not in one.sender


class TestRefusals:
    @pytest.mark.parametrize("psk", ["wrong", ADMIN_TOKEN, "ü"])
    def test_wrong_psk(self, world: World, psk: str) -> None:
        headers = [(b"Authorization", b"Bearer " + psk.encode())]
        answer = world.http.post("/v1/email", content=MESSAGE, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"reason": "unauthorized"})
        assert not world.sink.received

    def test_too_large(self, world: World) -> None:
        answer = world.post(b"Subject: x\n\n" + b"x" * 27_000_001)
        assert (answer.status_code, answer.json()) == (413, {"reason": "too_large"})

    def test_a_loop_is_cut(self, world: World) -> None:
        world.post(MESSAGE)
        (one,) = world.sink.received
        answer = world.post(one.message, queue_id="second1")
        assert (answer.status_code, answer.json()) == (508, {"reason": "loop"})
        assert world.post(one.message, "x@catch.example.com").status_code == 202
        assert world.post(b"Received: x\n" * 101 + MESSAGE).status_code == 508

    @pytest.mark.parametrize("token", ["wrong", OTHER_PSK])
    def test_the_psk_does_not_manage_aliases(self, world: World, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        assert world.http.get("/v1/admin/aliases", headers=headers).status_code == 401
        answer = world.http.put("/v1/admin/aliases", json={"aliases": []}, headers=headers)
        assert answer.status_code == 401


def test_the_check_needs_nothing_but_the_psk(world: World) -> None:
    headers = {"Authorization": f"Bearer {OTHER_PSK}"}
    assert world.http.post("/v1/email/check", headers=headers).status_code == 204
    assert world.http.post("/v1/email/check").status_code == 401


def test_aliases_are_replaced_as_a_whole(world: World) -> None:
    one: list[dict[str, object]] = [{"address": "x@example.com", "mailboxes": ["a@mailbox.test"]}]
    first, again = world.admin(one).json(), world.admin(one).json()
    assert first == again
    assert [entry["address"] for entry in first["aliases"]] == ["x@example.com"]
    assert world.post(MESSAGE).status_code == 404
    assert world.admin(one + one).status_code == 422
    assert world.post(MESSAGE, "x@example.com").status_code == 202


def test_the_commands_in_the_container(world: World) -> None:
    assert world.api.run("live").returncode == 0
    before = world.api.run("aliases", "get").stdout
    body = '{"aliases": [{"address": "@example.com", "mailboxes": ["a@mailbox.test"]}]}'
    put = world.api.run("aliases", "put", stdin=body)
    assert put.stdout != before
    assert put.stdout == world.api.run("aliases", "get").stdout
    assert world.api.run("aliases", "put", stdin="{").returncode == 1


def test_logs_tell_of_messages_but_not_what_is_in_them(world: World) -> None:
    world.post(b"Message-ID: <m1@sender.test>\nSubject: confidential\n\nconfidential\n")
    log = world.api.log.read_text()
    assert '"queue_id": "4cTQ2q0xyz", "message_id": "<m1@sender.test>"' in log
    assert "confidential" not in log
    assert "psk-0123456789" not in log


def test_metrics_count(world: World) -> None:
    world.post(MESSAGE, queue_id="metrics1")
    text = world.http.get("/metrics").text
    assert 'email_api_handoffs_total{result="accepted"}' in text
    assert "email_api_pending 0.0" in text


class TestLmtp:
    def test_one_answer_for_each_recipient(self, world: World) -> None:
        recipients = ["info@example.com", "who@example.com", "x@catch.example.com"]
        answers = asyncio.run(lmtp(world, recipients, MESSAGE))
        assert [answer[:3] for answer in answers] == ["250", "450", "250"]
        assert {one.recipient for one in world.sink.received} == {
            "a@mailbox.test",
            "c@mailbox.test",
        }

    def test_the_queue_id_of_xforward_tells_a_retry(self, world: World) -> None:
        for queue_id in ("4cTQ1", "4cTQ1", "4cTQ2"):
            asyncio.run(lmtp(world, ["info@example.com"], MESSAGE, queue_id))
        assert len(world.sink.received) == 2
        assert b"with LMTP id 4cTQ1" in world.sink.received[0].message

    def test_bytes_arrive_unchanged(self, world: World) -> None:
        body = b"." + bytes(range(128, 256)) + b"\r\n" + b"y" * 50_000 + b"\r\n..\r\n"
        answers = asyncio.run(lmtp(world, ["info@example.com"], b"Subject: x\r\n\r\n" + body))
        assert answers[0].startswith("250")
        assert world.sink.received[0].message.partition(b"\r\n\r\n")[2] == body


async def lmtp(
    world: World, recipients: list[str], message: bytes, queue_id: str = ""
) -> list[str]:
    """Hand a message over as Postfix does; the answers to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.api.lmtp_port)

    async def answer() -> str:
        while True:
            line = (await asyncio.wait_for(reader.readline(), 60)).decode()
            if line[3:4] != "-":
                return line

    async def say(line: str) -> str:
        writer.write(f"{line}\r\n".encode())
        return await answer()

    await answer()
    assert (await say("LHLO mx.test")).startswith("250")
    if queue_id:
        assert (await say(f"XFORWARD IDENT={queue_id}")).startswith("250")
    assert (await say("MAIL FROM:<author@sender.test>")).startswith("250")
    for recipient in recipients:
        assert (await say(f"RCPT TO:<{recipient}>")).startswith("250")
    assert (await say("DATA")).startswith("354")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    writer.write(stuffed + b".\r\n")
    answers = [await answer() for _ in recipients]
    writer.close()
    return answers
