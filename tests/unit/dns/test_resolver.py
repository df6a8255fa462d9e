"""The resolver among good and bad servers: every question ends in time, with a plain status."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from mailfleet.dns.resolve.answer import (
    Answer,
    Question,
    Status,
    query,
    query_all,
    run,
    run_together,
)
from mailfleet.dns.resolve.recording import Recording, UnreadableRecordingError, save_answers
from mailfleet.dns.resolve.resolver import Limits, Resolver, gather_bounded, system_servers
from mailfleet.dns.resolve.server import Address
from tests.unit.dns.servers import Handler, Zone, serving, zone_handler

# A busy machine is no reason to fail: only servers that never answer are waited for in full.
PATIENT = Limits(seconds=60, first_wait=0.5, rate=0)
HASTY = Limits(seconds=1, first_wait=0.2, rate=0)
_END_SECONDS = 120
"""What has not ended by then hangs."""
ZONE: Zone = {
    ("a.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("b.test", "CNAME"): ["a.test."],
    ("mail.test", "MX"): ["10 A.test."],
    ("big.test", "TXT"): [f'"{"x" * 250}{number}"' for number in range(20)],
    ("huge.test", "TXT"): [" ".join([f'"{"y" * 255}"'] * 240)],
    ("binary.test", "TXT"): ['"\\000\\255"'],
    ("loop1.test", "CNAME"): ["loop2.test."],
    ("loop2.test", "CNAME"): ["loop1.test."],
}


def resolve(
    handler: Handler | None,
    *questions: tuple[str, str],
    limits: Limits = PATIENT,
    more: Sequence[Address] = (),
    with_tcp: bool = True,
) -> tuple[Answer, ...]:
    async def inside() -> tuple[Answer, ...]:
        async with serving(handler or zone_handler(ZONE), with_tcp) as address:
            resolver = Resolver([*more, address], limits)
            try:
                return await resolver.run(query_all(*questions))
            finally:
                resolver.close()

    return asyncio.run(asyncio.wait_for(inside(), _END_SECONDS))


def status(handler: Handler, limits: Limits = PATIENT) -> Status:
    (answer,) = resolve(handler, ("a.test", "A"), limits=limits)
    return answer.status


def test_answers_of_a_correct_server() -> None:
    address, alias, mail, none, nothing = resolve(
        None,
        ("A.test.", "A"),
        ("b.test", "A"),
        ("mail.test", "MX"),
        ("a.test", "MX"),
        ("x.test", "A"),
    )
    assert (address.status, address.values) == (Status.OK, ("192.0.2.1", "192.0.2.2"))
    assert (alias.values, alias.chain) == (address.values, ("a.test",))
    assert mail.values == ("10 a.test",)
    assert (none.status, none.ttl) == (Status.NODATA, 300)
    assert (nothing.status, nothing.ttl) == (Status.NXDOMAIN, 300)


def test_truncated_answer_is_repeated_over_tcp() -> None:
    big, huge, binary = resolve(
        None, ("big.test", "TXT"), ("huge.test", "TXT"), ("binary.test", "TXT")
    )
    assert len(big.values) == 20
    assert huge.values == ("y" * 255 * 240,)
    assert binary.values == ("\x00\xff",)


def test_a_truncated_answer_without_tcp_ends() -> None:
    (answer,) = resolve(None, ("big.test", "TXT"), with_tcp=False)
    assert answer.status is Status.UNREACHABLE


def truncated(query: dns.message.Message, transport: str) -> list[bytes]:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return [answer.to_wire()]


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _promise_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(2)
    writer.write(b"\xff\xff" + b"x" * 100)
    writer.close()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\xff\xff")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def _other_number(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    query = dns.message.from_wire((await reader.read(2000))[2:])
    (answer,) = wrong_number(query, "tcp")
    writer.write(len(answer).to_bytes(2) + answer)


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (_say_nothing, Status.TIMEOUT),
        (_hang_up, Status.UNREACHABLE),
        (_promise_more, Status.UNREACHABLE),
        (_trickle, Status.TIMEOUT),
        (_other_number, Status.TIMEOUT),
    ],
)
def test_a_bad_server_behind_tcp_is_a_status_in_time(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    expected: Status,
) -> None:
    async def inside() -> Answer:
        async with serving(truncated, with_tcp=False) as address:
            streams = await asyncio.start_server(serve, address.host, address.port)
            resolver = Resolver([address], Limits(seconds=0.6, first_wait=0.3, rate=0))
            try:
                return await resolver.run(query("a.test", "A"))
            finally:
                resolver.close()
                streams.close()

    assert asyncio.run(asyncio.wait_for(inside(), _END_SECONDS)).status is expected


def test_an_answer_that_is_truncated_by_tcp_too_is_none() -> None:
    (answer,) = resolve(truncated, ("a.test", "A"), limits=HASTY)
    assert answer.status is Status.TIMEOUT


def test_an_answer_that_fills_a_message_is_read_whole() -> None:
    """64 KiB is the most that the length before a message by TCP can say."""
    texts = [" ".join([f'"{"z" * 255}"'] * 254)]
    (answer,) = resolve(zone_handler({("x.test", "TXT"): texts}), ("x.test", "TXT"))
    assert answer.values == ("z" * 255 * 254,)


def test_loops_end() -> None:
    loop, itself = resolve(
        zone_handler({**ZONE, ("self.test", "CNAME"): ["self.test."]}),
        ("loop1.test", "A"),
        ("self.test", "A"),
    )
    assert (loop.status, itself.status) == (Status.LOOP, Status.LOOP)


def test_a_chain_is_followed_where_the_server_leaves_it() -> None:
    def authoritative(query: dns.message.Message, transport: str) -> list[bytes]:
        (question,) = query.question
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        number = int(question.name.labels[0])
        rest = f"{number + 1}.test."
        if number == 3:
            answer.answer.append(dns.rrset.from_text(question.name, 9, "IN", "A", "192.0.2.9"))
        else:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", rest))
        return [answer.to_wire()]

    short, endless = resolve(authoritative, ("0.test", "A"), ("4.test", "A"))
    assert (short.values, short.chain, short.ttl) == (
        ("192.0.2.9",),
        ("1.test", "2.test", "3.test"),
        9,
    )
    assert endless.status is Status.LOOP


def with_rcode(rcode: dns.rcode.Rcode) -> Handler:
    def handle(query: dns.message.Message, transport: str) -> list[bytes]:
        answer = dns.message.make_response(query)
        answer.set_rcode(rcode)
        return [answer.to_wire()]

    return handle


def silent(query: dns.message.Message, transport: str) -> list[bytes]:
    return []


def wrong_number(query: dns.message.Message, transport: str) -> list[bytes]:
    (good,) = zone_handler(ZONE)(query, transport)
    return [bytes((good[0] ^ 1,)) + good[1:]]


def wrong_question(query: dns.message.Message, transport: str) -> list[bytes]:
    other = dns.message.make_query("evil.test", "A", id=query.id)
    return zone_handler({("evil.test", "A"): ["192.0.2.66"]})(other, transport)


def cut_off(query: dns.message.Message, transport: str) -> list[bytes]:
    (good,) = zone_handler(ZONE)(query, transport)
    return [good[: len(good) // 2 + 10]]


def referral(query: dns.message.Message, transport: str) -> list[bytes]:
    answer = dns.message.make_response(query)
    answer.authority.append(dns.rrset.from_text(".", 60, "IN", "NS", "ns.invalid."))
    return [answer.to_wire()]


def garbage(query: dns.message.Message, transport: str) -> list[bytes]:
    return [b"", b"\0" * 5, query.to_wire()[:12] + b"\xc0" * 500]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (silent, Status.TIMEOUT),
        (wrong_number, Status.TIMEOUT),
        (wrong_question, Status.TIMEOUT),
        (garbage, Status.TIMEOUT),
        (cut_off, Status.MALFORMED),
        (referral, Status.LAME),
        (with_rcode(dns.rcode.SERVFAIL), Status.SERVFAIL),
        (with_rcode(dns.rcode.REFUSED), Status.REFUSED),
        (with_rcode(dns.rcode.YXDOMAIN), Status.SERVFAIL),
    ],
)
def test_a_bad_server_is_a_status_in_time(handler: Handler, expected: Status) -> None:
    limits = HASTY if expected is Status.TIMEOUT else PATIENT
    assert status(handler, limits) is expected


def test_forged_answer_is_ignored() -> None:
    def both(query: dns.message.Message, transport: str) -> list[bytes]:
        return [
            *wrong_number(query, transport),
            *wrong_question(query, transport),
            *zone_handler(ZONE)(query, transport),
        ]

    (answer,) = resolve(both, ("a.test", "A"))
    assert answer.values == ("192.0.2.1", "192.0.2.2")


def test_next_server_is_queried() -> None:
    closed = Address("127.0.0.1", 9)
    (answer,) = resolve(None, ("a.test", "A"), more=[closed])
    assert answer.status is Status.OK


def test_an_unreachable_network_is_a_status() -> None:
    async def inside() -> Answer:
        # Documentation addresses (RFC 3849, RFC 5737) lead nowhere.
        servers = [Address("2001:db8::1"), Address("127.0.0.1", 9)]
        resolver = Resolver(servers, HASTY)
        try:
            return await resolver.run(query("a.test", "A"))
        finally:
            resolver.close()

    assert asyncio.run(inside()).status in (Status.UNREACHABLE, Status.TIMEOUT)


def test_server_without_edns_is_queried_without_it() -> None:
    def old(query: dns.message.Message, transport: str) -> list[bytes]:
        if query.edns >= 0:
            answer = dns.message.Message(query.id)
            answer.flags |= dns.flags.QR
            answer.set_rcode(dns.rcode.FORMERR)
            return [answer.to_wire()]
        return zone_handler(ZONE)(query, transport)

    assert status(old) is Status.OK


def test_the_whole_run_ends_in_time() -> None:
    names = [(f"n{number}.test", "A") for number in range(2000)]
    answers = resolve(silent, *names, limits=HASTY)
    assert {answer.status for answer in answers} == {Status.TIMEOUT}


def test_question_is_queried_once_within_the_rate() -> None:
    seen: list[float] = []

    def counting(query: dns.message.Message, transport: str) -> list[bytes]:
        seen.append(time.monotonic())
        return zone_handler(ZONE)(query, transport)

    names = [(f"n{number % 20}.test", "A") for number in range(100)]
    began = time.monotonic()
    resolve(counting, *names, limits=Limits(seconds=60, first_wait=30, rate=100))
    assert len(seen) == 20
    # A lower bound: a busy machine only makes it later.
    assert seen[-1] - began >= 19 / 100 * 0.95


def test_invalid_names_are_not_queried() -> None:
    answers = resolve(silent, ("a..test", "A"), ("x" * 70 + ".test", "A"))
    assert {answer.status for answer in answers} == {Status.BAD_NAME}


def test_concurrent_checks_get_their_own_answers() -> None:
    def look(name: str) -> Answer:
        return Answer(Question(name, "A"), Status.OK, (name,))

    found = run(
        run_together(query("a.test", "A"), query("b.test", "A")),
        lambda question: look(question.name),
    )
    assert [answer.values for answer in found] == [("a.test",), ("b.test",)]


def test_one_waiting_check_does_not_delay_others() -> None:
    others = asyncio.Event()
    looked: set[int] = set()

    async def look(number: int) -> int:
        if number == 0:
            await others.wait()
        looked.add(number)
        if len(looked) == 9999:
            others.set()
        return number

    taken: list[int] = []
    asyncio.run(asyncio.wait_for(gather_bounded(look, range(10_000), 100, taken.append), 60))
    assert taken == list(range(10_000))


def test_recording_repeats_the_answers(tmp_path: Path) -> None:
    answers = resolve(None, ("b.test", "A"), ("binary.test", "TXT"), ("x.test", "A"))
    save_answers(answers, tmp_path / "run.json")
    again = Recording.load(tmp_path / "run.json")
    assert [again.lookup(answer.question) for answer in answers] == list(answers)
    assert again.lookup(Question("y.test", "A")).status is Status.NOT_RECORDED


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2, "answers": []}', "[1", "\x00"])
def test_invalid_recording_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UnreadableRecordingError, match="not a recording"):
        Recording.load(tmp_path / "run.json")


def test_the_servers_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::1%e\n")
    assert system_servers(file) == [Address("192.0.2.53"), Address("2001:db8::53")]
    assert system_servers(tmp_path / "none") == [Address("127.0.0.1")]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", Address("192.0.2.1")),
        ("192.0.2.1:5353", Address("192.0.2.1", 5353)),
        ("2001:db8::1", Address("2001:db8::1")),
        ("[2001:db8::1]:54", Address("2001:db8::1", 54)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "ns.example", "192.0.2.1:0", "192.0.2.1:x", "1.2.3"])
def test_invalid_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(text)
