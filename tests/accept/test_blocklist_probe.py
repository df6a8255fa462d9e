"""The blocklist probe queries a real DNS server for several hosts at once."""

from pathlib import Path

import pytest

from mailfleet.checks.probe import ExternalProbe
from mailfleet.checks.result import Status
from mailfleet.components.registry import COMPONENTS
from mailfleet.health.fleet import HealthRun
from tests.accept.knot import knot
from tests.unit.conftest import POSTAL, Write, fleet_from

__all__ = ["fleet_from"]

# RFC 5782 section 5: what a list answers about itself.
_WORKS = '2.0.0.127 A 127.0.0.2\n2.0.0.127 TXT "a test"\n'
_LISTED = '11.2.0.192 A 127.0.0.4\n11.2.0.192 TXT "sends spam"\n'
_BASE = [component for component in COMPONENTS if component.name == "base"]
_LISTS = {"clean.test": _WORKS, "strict.test": _WORKS + _LISTED, "gone.test": ""}
_INVENTORY = """
def _host(name, number):
    return name, {"host_fqdn": f"{name}.example.com", "host_public_ipv4": f"192.0.2.{number}",
                  "host_private_ipv4": f"10.0.0.{number}"}

_one, _two, _other = _host("postal1", 10), _host("postal2", 11), _host("other", 12)
postal_worker = [_one, _two]
postal_web = postal_smtp = database = caddy = [_one]
server = [_other]
"""


@pytest.mark.parametrize(
    ("lists", "status", "finding"),
    [
        (["clean.test", "strict.test"], Status.FAIL, "strict.test: 192.0.2.11 is listed"),
        (["clean.test", "gone.test"], Status.WARN, "gone.test: 127.0.0.2 is not on it"),
        (["clean.test"], Status.OK, "192.0.2.11 not on clean.test"),
    ],
)
def test_each_sending_host_reports_its_own_addresses(
    fleet_from: Write, tmp_path: Path, lists: list[str], status: Status, finding: str
) -> None:
    with knot(tmp_path, _LISTS) as server:
        dns = f"dns_blocklists = {lists}\ndns_resolvers = ['127.0.0.1:{server.port}']\n"
        fleet = fleet_from("", _INVENTORY, all=POSTAL + dns)
        found = {one.host: one for one in HealthRun.of(_BASE, fleet).run_external_probe()}
    assert found.keys() == {"postal1", "postal2"}
    assert found["postal2"].status is status
    assert finding in found["postal2"].message
    assert "192.0.2.11" not in found["postal1"].message
    assert found["postal1"].status is (Status.WARN if "gone.test" in lists else Status.OK)


def test_without_blocklists_there_is_no_probe(fleet_from: Write) -> None:
    assert HealthRun.of(_BASE, fleet_from()).run_external_probe() == []


def test_host_without_public_address_has_no_probe(fleet_from: Write) -> None:
    hidden = _INVENTORY + 'del _two[1]["host_public_ipv4"]\n'
    lists = "dns_blocklists = ['clean.test']\n"
    checkup = HealthRun.of(_BASE, fleet_from("", hidden, all=POSTAL + lists))
    asked = {
        name
        for name, probes in checkup.probes.items()
        if any(isinstance(one, ExternalProbe) for one in probes["base"])
    }
    assert asked == {"postal1"}


def test_unreachable_resolver_is_no_listing(fleet_from: Write) -> None:
    dns = 'dns_blocklists = ["clean.test"]\ndns_resolvers = ["127.0.0.1:9"]\n'
    fleet = fleet_from("", _INVENTORY, all=POSTAL + dns)
    results = HealthRun.of(_BASE, fleet).run_external_probe()
    assert {one.status for one in results} == {Status.WARN}
    assert all("server not reachable" in one.message for one in results)
