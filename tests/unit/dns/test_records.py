"""The records that the manual asks for, from settings and key alone."""

from collections.abc import Callable

import pytest

from mailfleet.deploying.records import desired_records
from mailfleet.dns.record import ConflictingRecordsError, Record, Severity, merge, presentation
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet

MakeFleet = Callable[..., Fleet]


def wanted(fleet: Fleet, *domains: str) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(record.name, record.type): record.values for record in desired_records(fleet, domains)}


def test_everything_the_manual_names_is_there(postal_fleet: MakeFleet, key_in_ruby: str) -> None:
    reverse6 = "0.1.0.0" + ".0" * 20 + ".8.b.d.0.1.0.0.2.ip6.arpa"
    both = {"A": ("192.0.2.10",), "AAAA": ("2001:db8::10",)}
    names = [
        "postal.example.com",
        "mx.postal.example.com",
        "rp.postal.example.com",
        "track.postal.example.com",
        "postal1.example.com",
    ]
    both_cas = ('0 issue "letsencrypt.org"', '0 issue "sectigo.com"')
    assert wanted(postal_fleet()) == {
        **{(name, kind): values for name in names for kind, values in both.items()},
        ("spf.postal.example.com", "TXT"): ("v=spf1 ip4:192.0.2.10 ip6:2001:db8::10 ~all",),
        ("rp.postal.example.com", "MX"): ("10 mx.postal.example.com",),
        ("rp.postal.example.com", "TXT"): ("v=spf1 a mx include:spf.postal.example.com ~all",),
        ("postal._domainkey.rp.postal.example.com", "TXT"): (key_in_ruby,),
        ("routes.postal.example.com", "MX"): ("10 mx.postal.example.com",),
        ("click.example.com", "CNAME"): ("track.postal.example.com",),
        ("postal1.example.com", "TXT"): ("v=spf1 a -all",),
        ("postal.example.com", "CAA"): both_cas,
        ("mx.postal.example.com", "CAA"): both_cas,
        ("10.2.0.192.in-addr.arpa", "PTR"): ("postal1.example.com",),
        (reverse6, "PTR"): ("postal1.example.com",),
    }


def test_a_sending_domain_adds_its_own(postal_fleet: MakeFleet) -> None:
    records = wanted(postal_fleet(), "example.org")
    assert records["example.org", "TXT"] == ("v=spf1 include:spf.postal.example.com a mx ~all",)
    assert records["psrp.example.org", "CNAME"] == ("rp.postal.example.com",)
    assert records["_dmarc.example.org", "TXT"] == ("v=DMARC1; p=none",)


def test_postal_config_has_the_last_word(postal_fleet: MakeFleet) -> None:
    fleet = postal_fleet(
        'postal_config = {"dns": {"dkim_identifier": "sel", "custom_return_path_prefix": "bounce",'
        ' "spf_include": "s.example.com"}}\n'
    )
    records = wanted(fleet, "example.org")
    assert ("sel._domainkey.rp.postal.example.com", "TXT") in records
    assert ("bounce.example.org", "CNAME") in records
    assert ("s.example.com", "TXT") in records


def test_each_sending_host_of_a_spread_postal_counts(postal_fleet: MakeFleet) -> None:
    spread = """
def _host(number):
    return (f"p{number}", {"host_fqdn": f"p{number}.example.com",
                           "host_public_ipv4": f"192.0.2.{number}",
                           "host_private_ipv4": f"10.0.0.{number}",
                           "postal_helo_hostname": f"p{number}.example.com"})
postal_web = [_host(1)]
database = [_host(1)]
caddy = [_host(1), _host(2)]
postal_smtp = [_host(2)]
postal_worker = [_host(2), _host(3)]
"""
    records = wanted(postal_fleet(inventory=spread))
    assert records["spf.postal.example.com", "TXT"] == ("v=spf1 ip4:192.0.2.2 ip4:192.0.2.3 ~all",)
    assert records["mx.postal.example.com", "A"] == ("192.0.2.2",)
    assert records["postal.example.com", "A"] == ("192.0.2.1", "192.0.2.2")
    assert records["3.2.0.192.in-addr.arpa", "PTR"] == ("p3.example.com",)


def test_sender_without_public_address_is_an_error(postal_fleet: MakeFleet) -> None:
    fleet = postal_fleet(inventory=INVENTORY_WITHOUT_ADDRESS)
    with pytest.raises(SettingsError, match="host_public_ipv4"):
        desired_records(fleet)


INVENTORY_WITHOUT_ADDRESS = """
_host = ("postal1", {"host_fqdn": "postal1.example.com"})
postal = [_host]
database = [_host]
caddy = [_host]
"""


def record(kind: str, *values: str, severity: Severity = Severity.RECOMMENDED) -> Record:
    return Record("a.example", kind, values, "why", "otherwise", severity, "RFC")  # type: ignore[arg-type]


def test_one_spf_policy_per_name() -> None:
    (merged,) = merge(
        [
            record("TXT", "v=spf1 include:one.example -all", "token"),
            record("TXT", "v=spf1 a include:two.example ~all", severity=Severity.REQUIRED),
        ]
    )
    assert merged.values == ("v=spf1 include:one.example a include:two.example ~all", "token")
    assert merged.severity is Severity.REQUIRED


def test_conflicting_records_of_a_name_are_an_error() -> None:
    with pytest.raises(ConflictingRecordsError, match="both as a CNAME and with TXT"):
        merge([record("CNAME", "b.example"), record("TXT", "x")])
    with pytest.raises(ConflictingRecordsError, match=r"b\.example and of c\.example"):
        merge([record("CNAME", "b.example"), record("CNAME", "c.example")])


def test_long_and_odd_texts_are_split_and_escaped() -> None:
    assert presentation("TXT", "a" * 256) == '"' + "a" * 255 + '" "a"'
    assert presentation("TXT", 'q"\\\x00\xff') == '"q\\"\\\\\\000\\255"'
    assert presentation("TXT", "") == '""'


SENDER = """
from mailfleet.dns.settings import Sender
dns_senders = [Sender(domain="example.org", dkim={"s1": "v=DKIM1; p=notbase64!"})]
"""


def test_truncated_key_is_a_settings_error(postal_fleet: MakeFleet) -> None:
    with pytest.raises(SettingsError, match=r"example.org: dkim s1: p= is not base64; copy"):
        wanted(postal_fleet(SENDER))


def test_all_senders_of_a_domain_share_one_spf_record(
    postal_fleet: MakeFleet, key_in_ruby: str
) -> None:
    found = wanted(
        postal_fleet(
            f"""
from mailfleet.dns.settings import Sender
postal_sending_domains = ["example.org"]
dns_dmarc = {{"example.org": "v=DMARC1; p=reject"}}
dns_senders = [
    Sender(domain="example.org", include="spf.mtasv.net", dkim={{"20260101pm": "{key_in_ruby}"}},
           aliases={{"pm-bounces": "pm.mtasv.net"}}),
    Sender(domain="example.org", include="amazonses.com",
           dkim={{"abc": "abc.dkim.amazonses.com"}}),
    Sender(domain="news.example.org", include="_spf.google.com"),
]
"""
        )
    )
    assert {key: values for key, values in found.items() if key[0].endswith("example.org")} == {
        ("example.org", "TXT"): (
            "v=spf1 include:spf.postal.example.com a mx include:spf.mtasv.net "
            "include:amazonses.com ~all",
        ),
        ("psrp.example.org", "CNAME"): ("rp.postal.example.com",),
        ("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject",),
        ("20260101pm._domainkey.example.org", "TXT"): (key_in_ruby,),
        ("pm-bounces.example.org", "CNAME"): ("pm.mtasv.net",),
        ("abc._domainkey.example.org", "CNAME"): ("abc.dkim.amazonses.com",),
        ("news.example.org", "TXT"): ("v=spf1 include:_spf.google.com ~all",),
        ("_dmarc.news.example.org", "TXT"): ("v=DMARC1; p=none",),
    }
