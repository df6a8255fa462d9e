"""Zone snippets, read back by another implementation."""

from collections.abc import Callable
from pathlib import Path

import dns.rdata
import dns.zone
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mailfleet.cli import main
from mailfleet.deploying.records import desired_records
from mailfleet.dns.record import Record, Severity, presentation
from mailfleet.dns.zone import address_of, origins_of, zone_texts
from mailfleet.fleet.fleet import Fleet

HEAD = "@ IN SOA ns.invalid. root.invalid. 1 3600 600 86400 60\n@ IN NS ns.invalid.\n"


def read_back(snippets: dict[str, str]) -> set[tuple[str, str, str]]:
    """Every record of several snippets as dnspython reads them: name, type, value."""
    found = set()
    for snippet in snippets.values():
        head, ttl, rest = snippet.split("\n", 2)
        zone = dns.zone.from_text(f"{head}\n{ttl}\n{HEAD}{rest}\n", relativize=False)
        for name, _, rdata in zone.iterate_rdatas():
            kind = dns.rdatatype.to_text(rdata.rdtype)
            if kind not in ("SOA", "NS"):
                found.add((str(name).rstrip("."), kind, rdata.to_text()))
    return found


def test_zone_file_is_read_by_another_parser(postal_fleet: Callable[..., Fleet]) -> None:
    wanted = desired_records(postal_fleet(), ["example.org", "mail.example.org"])
    expected = {(record.name, record.type, line) for record in wanted for line in record.lines}
    assert read_back(zone_texts(wanted)) == expected
    assert read_back(zone_texts(wanted, ["example.com", "postal.example.com"])) == expected


@given(st.text(st.characters(max_codepoint=255), max_size=700))
def test_any_text_survives_a_zone_file(text: str) -> None:
    rdata = dns.rdata.from_text("IN", "TXT", presentation("TXT", text))
    assert b"".join(rdata.strings).decode("latin-1") == text


def test_names_are_grouped_by_zone() -> None:
    names = ["a.b.example", "c.b.example", "x.example.org", "10.2.0.192.in-addr.arpa"]
    assert origins_of(names) == {
        "a.b.example": "b.example",
        "c.b.example": "b.example",
        "x.example.org": "x.example.org",
        "10.2.0.192.in-addr.arpa": "2.0.192.in-addr.arpa",
    }
    assert origins_of(names, ["example.org", "org"])["x.example.org"] == "example.org"


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::10"])
def test_a_reverse_name_tells_its_address(address: str) -> None:
    from ipaddress import ip_address

    assert address_of(ip_address(address).reverse_pointer) == address


def test_the_command_prints_table_json_and_zone(postal_fleet: Callable[..., Fleet]) -> None:
    postal_fleet()
    inventory = "inventories/test.py"
    table = CliRunner().invoke(main, ["dns", "records", inventory, "example.org"])
    assert "psrp.example.org CNAME\n    rp.postal.example.com.\n    recommended" in table.output
    as_json = CliRunner().invoke(main, ["dns", "records", inventory, "--json"])
    assert '"severity": "required"' in as_json.output
    zone = CliRunner().invoke(main, ["dns", "zone", inventory, "--ttl", "300"])
    assert zone.output.startswith("$ORIGIN example.com.\n$TTL 300\n")


def test_invalid_domain_is_a_usage_error(postal_fleet: Callable[..., Fleet]) -> None:
    postal_fleet()
    done = CliRunner().invoke(main, ["dns", "zone", "inventories/test.py", "bücher.example"])
    # 2 says that records do not hold.
    assert done.exit_code == 1
    assert "xn--" in done.output


def test_a_directory_that_cannot_be_written_is_one_line(postal_fleet: Callable[..., Fleet]) -> None:
    postal_fleet()
    Path("file").touch()
    done = CliRunner().invoke(main, ["dns", "zone", "inventories/test.py", "-o", "file/zones"])
    assert (done.exit_code, done.output) == (1, "mailfleet: file/zones: Not a directory\n")


def test_reason_and_severity_are_printed_with_each_record() -> None:
    record = Record("a.example", "A", ("192.0.2.1",), "web", "", Severity.RECOMMENDED, "RFC")
    assert "; web (recommended)\n@ IN A 192.0.2.1\n" in zone_texts([record])["a.example"]
