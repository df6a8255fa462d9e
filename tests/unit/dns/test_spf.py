"""SPF beyond the public suite: what it costs, loops and bombs, and text that is no policy."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.dns.spf import Evaluation, InvalidPolicyError, Verdict, evaluate, parse

Zone = dict[tuple[str, str], tuple[str, ...]]
SENDER = ip_address("192.0.2.10")


def check(zone: Zone, domain: str = "a.test", survey: bool = False) -> Evaluation:
    def lookup(question: Question) -> Answer:
        values = zone.get((question.name, question.type), ())
        return Answer(question, Status.OK if values else Status.NXDOMAIN, values)

    return run(evaluate(SENDER, f"me@{domain}", domain, survey=survey), lookup)


def test_a_survey_costs_every_term_though_the_first_one_matches() -> None:
    zone: Zone = {
        ("a.test", "TXT"): ("v=spf1 ip4:192.0.2.10 include:b.test mx -all",),
        ("b.test", "TXT"): ("v=spf1 a:gone.test exists:gone.test ~all",),
        ("a.test", "MX"): ("10 mx.test",),
        ("mx.test", "A"): ("192.0.2.25",),
    }
    assert (check(zone).verdict, check(zone).lookups) == (Verdict.PASS, 0)
    whole = check(zone, survey=True)
    assert (whole.lookups, whole.voids, set(whole.read)) == (4, 2, {"a.test", "b.test"})


@pytest.mark.parametrize("how", ["include:{}", "redirect={}"])
def test_a_loop_is_named(how: str) -> None:
    zone: Zone = {
        ("a.test", "TXT"): ("v=spf1 " + how.format("b.test"),),
        ("b.test", "TXT"): ("v=spf1 " + how.format("A.test"),),
    }
    found = check(zone)
    assert found.verdict is Verdict.PERMERROR
    assert "leads back to itself" in found.reason


def test_a_bomb_of_includes_ends_after_ten() -> None:
    wide = " ".join(f"include:n{number}.test" for number in range(12))
    zone: Zone = {(f"n{number}.test", "TXT"): (f"v=spf1 {wide}",) for number in range(12)}
    asked: list[Question] = []

    def lookup(question: Question) -> Answer:
        asked.append(question)
        return Answer(question, Status.OK, (f"v=spf1 include:x{len(asked)}.test {wide}",))

    assert check(zone, "n0.test").verdict is Verdict.PERMERROR
    assert run(evaluate(SENDER, "me@n0.test", "n0.test"), lookup).verdict is Verdict.PERMERROR
    assert len(asked) == 11


def test_a_mapped_address_is_the_ipv4_address() -> None:
    def lookup(question: Question) -> Answer:
        return Answer(question, Status.OK, ("v=spf1 ip4:192.0.2.10 -all",))

    mapped = ip_address("::ffff:192.0.2.10")
    assert run(evaluate(mapped, "me@a.test", "a.test"), lookup).verdict is Verdict.PASS


TERMS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["a", "mx/24", "a:%{d}//64", "ip4:192.0.2.0/24", "include:b.test", "all"]),
    st.from_regex(
        r"[+?~-]?(a|mx|ptr|ip[46]|exists|exp=|redirect=):?[a-z%{}0-9/.:]*", fullmatch=True
    ),
)


@settings(max_examples=300)
@given(st.lists(TERMS, max_size=6))
def test_any_text_is_a_policy_or_not(terms: list[str]) -> None:
    try:
        parse("v=spf1 " + " ".join(terms))
    except InvalidPolicyError as error:
        assert str(error)


VALUES = st.one_of(
    st.lists(TERMS, max_size=4).map(lambda terms: "v=spf1 " + " ".join(terms)),
    st.text(st.characters(max_codepoint=255), max_size=40),
)


@settings(max_examples=300)
@given(st.data())
def test_whatever_dns_says_there_is_a_verdict(data: st.DataObject) -> None:
    asked = 0

    def lookup(question: Question) -> Answer:
        nonlocal asked
        asked += 1
        status = data.draw(st.sampled_from(Status))
        if status is not Status.OK:
            return Answer(question, status)
        drawn = {
            "TXT": VALUES,
            "A": st.ip_addresses(v=4).map(str),
            "AAAA": st.ip_addresses(v=6).map(str),
            "MX": st.sampled_from(["0 .", "10 b.test", "10 a\\000.test"]),
            "PTR": st.sampled_from(["a.test", "b.test", "."]),
        }[question.type]
        return Answer(question, status, tuple(data.draw(st.lists(drawn, min_size=1, max_size=12))))

    address = data.draw(st.ip_addresses())
    found = run(evaluate(address, data.draw(st.text(max_size=20)), "helo.test"), lookup)
    assert found.verdict in Verdict
    assert asked < 150
