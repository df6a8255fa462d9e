"""Texts of 64 KiB, as a TXT record or a policy file can be: what takes quadratic time on them hangs
the check of whoever looks at that domain."""

from collections.abc import Callable

import pytest

from mailfleet.dns import sts
from mailfleet.dns.checks import checks_of
from mailfleet.dns.dkim import parse_key
from mailfleet.dns.dmarc import parse_policy
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.dns.spf import parse as parse_spf

UNITS = (*" ;=a,/%.:\n\t", "a=", ", ", "%{d}", "mailto:a@b.c,", "v=")
STARTS = ("v=DMARC1; p=x; rua=mailto:a@", "v=DKIM1; p=AA", "v=spf1 a:", "version: STSv1\nmx: a", "")
READERS: tuple[Callable[[str], object], ...] = (
    parse_policy,
    parse_key,
    parse_spf,
    sts.parse_policy,
)
WANTED = {
    "_smtp._tls.a.example": "v=TLSRPTv1; rua=mailto:a@b.example",
    "_mta-sts.a.example": "v=STSv1; id=1",
}


@pytest.mark.parametrize("unit", UNITS)
def test_texts_are_read_or_refused(unit: str) -> None:
    many = unit * (60_000 // len(unit))
    for start in STARTS:
        for read in READERS:
            for text in (start + many, f"{start}{many}x\x80"):
                try:
                    read(text)
                except ValueError as refusal:
                    assert str(refusal)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", WANTED)
def test_checks_of_such_texts_end(name: str, unit: str) -> None:
    wanted = Record(name, "TXT", (WANTED[name],), "why", "otherwise", Severity.REQUIRED, "source")
    seen = f"{WANTED[name]}{unit * (60_000 // len(unit))}\x80"
    (check,) = checks_of([wanted])

    def lookup(question: Question) -> Answer:
        return Answer(question, Status.OK, (seen,))

    assert run(check, lookup)
