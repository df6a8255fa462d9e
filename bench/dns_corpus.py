"""Good and broken mail domains: every case that the standards speak of, and then damaged copies.

Each zone of the corpus carries one case for SPF, DMARC, MX, TLS reports and MTA-STS. Always the
same zones for the same count."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailfleet.dns.record import presentation

ASPECTS = ("spf", "dmarc", "mx", "tls-rpt", "mta-sts")

# `{d}` is the domain. Names below it that policies and MX records refer to, good and bad ones.
_COMMON = """
@ A 192.0.2.1
www A 192.0.2.1
www AAAA 2001:db8::1
mx1 A 192.0.2.10
mx2 A 192.0.2.11
mx2 AAAA 2001:db8::11
alias CNAME mx1
dangling CNAME nowhere
noaddress TXT "nothing else"
good TXT "v=spf1 ip4:192.0.2.0/24 -all"
good2 TXT "v=spf1 ip6:2001:db8::/32 ~all"
nested TXT "v=spf1 include:good.{d} include:good2.{d} -all"
deep TXT "v=spf1 include:nested.{d} a:www.{d} mx:{d} -all"
broken TXT "v=spf1 ipv4:192.0.2.1 -all"
two TXT "v=spf1 -all"
two TXT "v=spf1 ~all"
loop TXT "v=spf1 include:loop2.{d} -all"
loop2 TXT "v=spf1 include:loop.{d} -all"
self TXT "v=spf1 redirect=self.{d}"
text TXT "no policy"
many TXT "v=spf1 a:www.{d} a:mx1.{d} a:mx2.{d} mx:{d} a:www.{d} a:mx1.{d} a:mx2.{d} mx:{d} -all"
voids TXT "v=spf1 a:v1.{d} a:v2.{d} a:v3.{d} -all"
why TXT "see %{{i}} at {d}"
to._report._dmarc TXT "v=DMARC1"
"""

_SPF = [
    "v=spf1 -all",
    "v=spf1 ~all",
    "v=spf1 ?all",
    "v=spf1 +all",
    "v=spf1",
    "v=spf1 ",
    "V=SPF1 -ALL",
    "v=spf1 a mx -all",
    "v=spf1 a:www.{d} mx:{d} -all",
    "v=spf1 a/24 mx//64 -all",
    "v=spf1 a/24//64 mx/24//64 -all",
    "v=spf1 a:www.{d}/32//128 -all",
    "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all",
    "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
    "v=spf1 ip4:192.0.2.77/24 -all",
    "v=spf1 ip6:2001:DB8:0:0::1 -all",
    "v=spf1 ip6:::ffff:192.0.2.1 -all",
    "v=spf1 include:good.{d} -all",
    "v=spf1 include:nested.{d} ~all",
    "v=spf1 include:deep.{d} ~all",
    "v=spf1 redirect=good.{d}",
    "v=spf1 a redirect=good.{d}",
    "v=spf1 redirect=good.{d} -all",
    "v=spf1 exists:www.{d} -all",
    "v=spf1 exists:%{{ir}}.x.{d} -all",
    "v=spf1 exists:%{{l1r-}}.x.{d} -all",
    "v=spf1 include:%{{d}} -all",
    "v=spf1 include:good.%{{d}} -all",
    "v=spf1 include:good.%{{d2}} -all",
    "v=spf1 ptr -all",
    "v=spf1 ptr:{d} -all",
    "v=spf1 exp=why.{d} -all",
    "v=spf1 -all exp=why.{d}",
    "v=spf1 -all exp=nowhere.{d}",
    "v=spf1 unknown=thing -all",
    "v=spf1 unknown=%{{d}} -all",
    "v=spf1   a    -all  ",
    "v=spf1 -all a",
    "v=spf1 ip4:192.0.2.1 ip4:192.0.2.1 -all",
    "v=spf1 +a +mx +ip4:192.0.2.9 -all",
    "v=spf1 ?a ~mx -ip4:192.0.2.9 +all",
    "v=spf1 a:_spf.{d} -all",
    "v=spf1 include:GOOD.{d} -all",
    "v=spf1 include:good.{d}. -all",
    # What breaks a policy.
    "v=spf1 ipv4:192.0.2.1 -all",
    "v=spf1 ip4=192.0.2.1 -all",
    "v=spf1 ip4:192.0.2 -all",
    "v=spf1 ip4:192.0.2.256 -all",
    "v=spf1 ip4:192.0.2.1/33 -all",
    "v=spf1 ip4:192.0.2.1/ -all",
    "v=spf1 ip4:192.0.2.1/024 -all",
    "v=spf1 ip4:192.0.02.1 -all",
    "v=spf1 ip4: -all",
    "v=spf1 ip4 -all",
    "v=spf1 ip4:2001:db8::1 -all",
    "v=spf1 ip6:192.0.2.1 -all",
    "v=spf1 ip6:2001:db8::1/129 -all",
    "v=spf1 ip6:2001:db8:::1 -all",
    "v=spf1 ip6:2001:db8::g -all",
    "v=spf1 ip6 -all",
    "v=spf1 a/33 -all",
    "v=spf1 a//129 -all",
    "v=spf1 a/ -all",
    "v=spf1 a: -all",
    "v=spf1 mx: -all",
    "v=spf1 include -all",
    "v=spf1 include: -all",
    "v=spf1 include:good.{d}/24 -all",
    "v=spf1 include:{d} -all",
    "v=spf1 include:loop.{d} -all",
    "v=spf1 include:nowhere.{d} -all",
    "v=spf1 include:text.{d} -all",
    "v=spf1 include:broken.{d} -all",
    "v=spf1 include:two.{d} -all",
    "v=spf1 include:noaddress.{d} -all",
    "v=spf1 include:many.{d} include:many.{d} -all",
    "v=spf1 include:many.{d} -all",
    "v=spf1 include:deep.{d} include:many.{d} -all",
    "v=spf1 include:voids.{d} -all",
    "v=spf1 a:v1.{d} -all",
    "v=spf1 a:v1.{d} a:v2.{d} -all",
    "v=spf1 a:v1.{d} a:v2.{d} a:v3.{d} -all",
    "v=spf1 mx:v1.{d} mx:v2.{d} mx:v3.{d} -all",
    "v=spf1 exists:v1.{d} exists:v2.{d} exists:v3.{d} -all",
    "v=spf1 a:noaddress.{d} a:v1.{d} a:v2.{d} -all",
    "v=spf1 redirect=",
    "v=spf1 redirect=nowhere.{d}",
    "v=spf1 redirect=text.{d}",
    "v=spf1 redirect=broken.{d}",
    "v=spf1 redirect={d}",
    "v=spf1 redirect=self.{d}",
    "v=spf1 redirect=good.{d} redirect=good2.{d}",
    "v=spf1 redirect:good.{d}",
    "v=spf1 exp=why.{d} exp=why.{d} -all",
    "v=spf1 exp= -all",
    "v=spf1 exists -all",
    "v=spf1 exists: -all",
    "v=spf1 all: -all",
    "v=spf1 all:{d}",
    "v=spf1 -all:",
    "v=spf1 all/24",
    "v=spf1 a:-- -all",
    "v=spf1 a:{d}:25 -all",
    "v=spf1 a:www..{d} -all",
    "v=spf1 a:example -all",
    "v=spf1 a:192.0.2.1 -all",
    "v=spf1 include:http://good.{d} -all",
    "v=spf1 exists:%{{q}}.{d} -all",
    "v=spf1 exists:%{{d0}}.{d} -all",
    "v=spf1 exists:%(d).{d} -all",
    "v=spf1 exists:%.{d} -all",
    "v=spf1 exists:%%.{d} -all",
    "v=spf1 exists:%{{c}}.{d} -all",
    "v=spf1, a, -all",
    "v=spf1;a;-all",
    "v=spf1 a;mx -all",
    "v=spf1 a,mx -all",
    "v=spf1 - all",
    "v=spf1 !all",
    "v=spf1 -a-all",
    "v=spf1 a\tmx -all",
    'v=spf1 "a" -all',
    "v=spf1\u00a0a -all",
    "v=spf1 a:b\u00fccher.{d} -all",
    "v=spf1 include:xn--bcher-kva.{d} -all",
    "v=spf10 -all",
    "v=spf2 -all",
    "spf1 -all",
    " v=spf1 -all",
    "v =spf1 -all",
    "v=spf1 =x -all",
    "v=spf1 1x=y -all",
    "spf2.0/pra -all",
    "v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(40)) + " -all",
    "v=spf1 " + " ".join(f"a:h{n}.{{d}}" for n in range(11)) + " -all",
    "v=spf1 " + " ".join(f"include:good.{{d}} ip4:192.0.2.{n}" for n in range(10)) + " -all",
    "v=spf1 " + " ".join(["mx"] * 10) + " -all",
    "v=spf1 " + " ".join(["mx"] * 11) + " -all",
]
_SPF_SETS = [
    ("v=spf1 -all", "v=spf1 a -all"),
    ("v=spf1 -all", "v=spf1 -all "),
    ("v=spf1 -all", "another service=token"),
    ("v=spf1 -all", "v=spf10 a"),
    ("v=spf1 -all", "spf2.0/mfrom -all"),
    ("v=spf1 ~all", "V=spf1 -all"),
    (),
    ("only a token",),
]

_DMARC = [
    "v=DMARC1; p=none",
    "v=DMARC1; p=quarantine",
    "v=DMARC1; p=reject",
    "v=DMARC1;p=reject",
    "v=DMARC1; p=reject;",
    "v=DMARC1 ; p = reject ;",
    "v=DMARC1; p=reject; sp=none",
    "v=DMARC1; p=reject; np=reject",
    "v=DMARC1; p=none; t=y",
    "v=DMARC1; p=reject; t=n; psd=n",
    "v=DMARC1; p=reject; psd=u",
    "v=DMARC1; p=reject; adkim=s; aspf=s",
    "v=DMARC1; p=reject; adkim=r; aspf=r; fo=1",
    "v=DMARC1; p=reject; rua=mailto:a@{d}",
    "v=DMARC1; p=reject; rua=mailto:a@{d},mailto:b@{d}",
    "v=DMARC1; p=reject; rua=mailto:a@{d} , mailto:b@{d}",
    "v=DMARC1; p=reject; rua=mailto:a@{d}!10m",
    "v=DMARC1; p=reject; ruf=mailto:a@{d}; fo=1:d:s",
    "v=DMARC1; p=reject; pct=50; ri=86400; rf=afrf",
    "v=DMARC1; p=REJECT",
    "v=DMARC1; P=reject",
    "v=DMARC1; p=reject; x=y",
    "v=DMARC1; rua=mailto:a@{d}",
    "v=DMARC1",
    "v=DMARC1;",
    "v=DMARC1; p=",
    "v=DMARC1; p=; rua=mailto:a@{d}",
    "v=DMARC1; p=monitor",
    "v=DMARC1; p=monitor; rua=mailto:a@{d}",
    "v=DMARC1; p=reject; sp=monitor",
    "v=DMARC1; p=reject; sp=monitor; rua=mailto:a@{d}",
    "v=DMARC1; p=reject p=none",
    "v=DMARC1; p=reject; p=none",
    "v=DMARC1; p=reject; rua=mailto:a@{d}; rua=mailto:b@{d}",
    "v=DMARC1; rua=mailto:a@{d}; p=reject",
    "v=DMARC1; p=reject; rua=a@{d}",
    "v=DMARC1; p=reject; rua=http://{d}/",
    "v=DMARC1; p=reject; rua=mailto:",
    "v=DMARC1; p=reject; rua=",
    "v=DMARC1; p=reject; adkim=x",
    "v=DMARC1; p=reject; aspf=strict",
    "v=DMARC1; p=reject; fo=9",
    "v=DMARC1; p=reject; pct=200",
    "v=DMARC1; p=reject; pct=x",
    "v=DMARC1; p=reject; psd=z",
    "v=DMARC1; p=reject; t=maybe",
    "v=DMARC1, p=reject",
    "v=DMARC1 p=reject",
    "v=DMARC1: p=reject",
    "v=DMARC1; p:reject",
    "v=DMARC1; preject",
    "v=DMARC1; p=reject;;",
    "v=DMARC1;; p=reject",
    "v=DMARC1; =reject",
    "v=DMARC1; p=reject; junk",
    "v=DMARC1; p=reject; \u00fc=x",
    "v=DMARC1; p=reject; x=\u00fc",
    "v=dmarc1; p=reject",
    "V=DMARC1; p=reject",
    "v=DMARC2; p=reject",
    "v=DMARC; p=reject",
    "v = DMARC1; p=reject",
    " v=DMARC1; p=reject",
    "p=reject; v=DMARC1",
    "p=reject",
    "v=spf1 -all",
    "v=DMARC1; p='reject'",
    'v=DMARC1; p="reject"',
    "v=DMARC1; p=reject; " + "; ".join(f"x{n}=y" for n in range(60)),
]
_DMARC_SETS = [
    ("v=DMARC1; p=none", "v=DMARC1; p=reject"),
    ("v=DMARC1; p=none", "v=DMARC1; p=none;"),
    ("v=DMARC1; p=reject", "google-site-verification=x"),
    ("v=DMARC1; p=reject", "v=spf1 -all"),
    ("v=DMARC1; p=reject", "v=DMARC2; p=none"),
    (),
    ("google-site-verification=x",),
]

_MX = [
    ("10 mx1.{d}",),
    ("10 mx1.{d}", "20 mx2.{d}"),
    ("10 mx1.{d}", "10 mx2.{d}"),
    ("0 mx1.{d}",),
    ("65535 mx1.{d}",),
    ("10 mx1.{d}", "20 mx1.{d}"),
    ("10 {d}",),
    ("0 .",),
    ("10 .",),
    ("0 .", "10 mx1.{d}"),
    ("10 alias.{d}",),
    ("10 mx1.{d}", "20 alias.{d}"),
    ("10 dangling.{d}",),
    ("10 nowhere.{d}",),
    ("10 mx1.{d}", "20 nowhere.{d}"),
    ("10 noaddress.{d}",),
    ("10 192.0.2.10",),
    ("10 mx1.{d}", "20 192.0.2.10"),
    ("10 localhost",),
    ("10 _mx.{d}",),
    (),
    tuple(f"{n} mx1.{{d}}" for n in range(12)),
]

_TLS = [
    "v=TLSRPTv1; rua=mailto:a@{d}",
    "v=TLSRPTv1;rua=mailto:a@{d}",
    "v=TLSRPTv1; rua=mailto:a@{d};",
    "v=TLSRPTv1; rua=https://{d}/reports",
    "v=TLSRPTv1; rua=mailto:a@{d},https://{d}/reports",
    "v=TLSRPTv1; rua=mailto:a@{d} , mailto:b@{d}",
    "v=TLSRPTv1; rua=mailto:a@{d}; x=y",
    "v=TLSRPTv1 ; rua=mailto:a@{d}",
    "v=TLSRPTv1; rua=mailto:a@{d}; rua=mailto:b@{d}",
    "v=TLSRPTv1",
    "v=TLSRPTv1;",
    "v=TLSRPTv1; rua=",
    "v=TLSRPTv1; rua=a@{d}",
    "v=TLSRPTv1; rua=http://{d}/reports",
    "v=TLSRPTv1; rua=mailto:",
    "v=TLSRPTv1; rua=mailto:a@{d},",
    "v=TLSRPTv1; rua = mailto:a@{d}",
    "v=TLSRPTv1; RUA=mailto:a@{d}",
    "v=TLSRPTv1; x=y; rua=mailto:a@{d}",
    "v=TLSRPTv1; rua=mailto:a@{d}; x=y=z",
    "v=TLSRPTv1; rua=mailto:a@{d}; junk",
    "v=TLSRPTv1;; rua=mailto:a@{d}",
    "v=TLSRPTv1 rua=mailto:a@{d}",
    "v=TLSRPTv2; rua=mailto:a@{d}",
    "v=tlsrptv1; rua=mailto:a@{d}",
    "V=TLSRPTv1; rua=mailto:a@{d}",
    "rua=mailto:a@{d}; v=TLSRPTv1",
    "v=spf1 -all",
]
_TLS_SETS = [
    ("v=TLSRPTv1; rua=mailto:a@{d}", "v=TLSRPTv1; rua=mailto:b@{d}"),
    ("v=TLSRPTv1; rua=mailto:a@{d}", "token"),
    (),
]

_STS = [
    "v=STSv1; id=1",
    "v=STSv1;id=20260101T000000",
    "v=STSv1; id=20260101;",
    "v=STSv1 ; id=1 ;",
    "v=STSv1; id=1; x=y",
    "v=STSv1; x=y; id=1",
    "v=STSv1; id=" + "a" * 32,
    "v=STSv1; id=" + "a" * 33,
    "v=STSv1; id=",
    "v=STSv1; id=2026-01-01",
    "v=STSv1; id=1 2",
    "v=STSv1; id=\u00fc",
    "v=STSv1; id=1; id=2",
    "v=STSv1; ID=1",
    "v=STSv1; id = 1",
    "v=STSv1",
    "v=STSv1;",
    "v=STSv1 id=1",
    "v=STSv1;; id=1",
    "v=STSv1; id=1; junk",
    "v=STSv1; id=1; x=y=z",
    "v=STSv2; id=1",
    "v=stsv1; id=1",
    "V=STSv1; id=1",
    "id=1; v=STSv1",
    "v=spf1 -all",
]
_STS_SETS = [
    ("v=STSv1; id=1", "v=STSv1; id=2"),
    ("v=STSv1; id=1", "token"),
    (),
]

Texts = tuple[str, ...]
CASES: dict[str, list[Texts]] = {
    "spf": [*((text,) for text in _SPF), *_SPF_SETS],
    "dmarc": [*((text,) for text in _DMARC), *_DMARC_SETS],
    "mx": list(_MX),
    "tls-rpt": [*((text,) for text in _TLS), *_TLS_SETS],
    "mta-sts": [*((text,) for text in _STS), *_STS_SETS],
}
_PLACES = {
    "spf": "",
    "dmarc": "_dmarc.",
    "mx": "",
    "tls-rpt": "_smtp._tls.",
    "mta-sts": "_mta-sts.",
}
_NOISE = ' ;:=,./-_%{}"\\aZ0\u00e4\t'


@dataclass(frozen=True)
class Domain:
    """One mail domain with its case for each aspect."""

    name: str
    cases: dict[str, Texts]

    @property
    def zone(self) -> str:
        """The lines of its zone."""
        lines = [_COMMON.format(d=self.name)]
        for aspect, values in self.cases.items():
            kind = "MX" if aspect == "mx" else "TXT"
            name = f"{_PLACES[aspect]}{self.name}."
            lines += [f"{name} {kind} {presentation(kind, value)}" for value in values]
        return "\n".join(lines) + "\n"


def corpus(count: int) -> list[Domain]:
    """So many domains. Those after the longest list of cases carry damaged copies only."""
    chance = random.Random(7208)
    return [_domain(number, chance) for number in range(count)]


def _domain(number: int, chance: random.Random) -> Domain:
    name = f"c{number:04}.test"
    return Domain(name, {aspect: _case(aspect, number, name, chance) for aspect in ASPECTS})


def _case(aspect: str, number: int, name: str, chance: random.Random) -> Texts:
    known = CASES[aspect]
    texts = tuple(text.format(d=name) for text in known[number % len(known)])
    if number < len(known) or aspect == "mx":
        return texts
    return tuple(_damaged(text, chance) for text in texts)


def _damaged(text: str, chance: random.Random) -> str:
    """With a character lost, doubled, swapped, put in or of the other case; once or twice."""
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(text))
        match chance.randrange(5):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + text[at] + text[at:]
            case 2:
                text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
            case 3:
                text = text[:at] + chance.choice(_NOISE) + text[at:]
            case _:
                text = text[:at] + text[at].swapcase() + text[at + 1 :]
        text = text or "x"
    # Beyond Latin-1 there is no byte for it.
    return "".join(character for character in text if ord(character) < 256)


def zones(domains: Sequence[Domain]) -> dict[str, str]:
    """All zones with a root that delegates to them; PTR records for their addresses."""
    found = {domain.name: domain.zone for domain in domains}
    found["2.0.192.in-addr.arpa"] = "".join(_pointers(domains))
    names = [*found, "test"]
    delegations = "".join(f"{name}. NS ns1.{name}.\nns1.{name}. A 127.0.0.1\n" for name in names)
    return {**found, "test": delegations, ".": delegations}


def _pointers(domains: Sequence[Domain]) -> Iterator[str]:
    yield f"1 PTR www.{domains[0].name}.\n"
