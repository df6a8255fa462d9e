"""The lab's addresses, names and zones, without any host."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.subnet import overlap, parse_subnet, routed_subnets
from lab.topology import MAX_EXTRA, Topology, topology
from lab.zones import knot_conf, reverse_zone, unbound_conf, zone_files, zones

SUBNET = IPv4Network("10.213.0.0/24")


@pytest.fixture
def fleet() -> Topology:
    return topology(SUBNET)


def a_records(fleet: Topology) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for records in zones(fleet).values():
        for owner, kind, data in records:
            if kind == "A":
                found.setdefault(owner, set()).add(data)
    return found


def test_no_two_hosts_share_an_address() -> None:
    fleet = topology(SUBNET, extra=MAX_EXTRA)
    addresses = [host.address for host in fleet.hosts]
    addresses += [address for host in fleet.hosts for address in host.more_addresses]
    assert len(set(addresses)) == len(addresses)
    assert all(address in SUBNET for address in addresses)
    assert SUBNET[1] not in addresses, "the gateway's address"


def test_every_host_publishes_ssh(fleet: Topology) -> None:
    assert all(22 in host.ports for host in fleet.hosts)


def test_upstream_images_need_no_registry() -> None:
    names = {host.name for host in topology(SUBNET, with_registry=False).hosts}
    assert names == {"ns1", "internet1", "postal1", "mx1", "postal2"}


def test_extra_hosts_follow_postal2() -> None:
    names = [host.name for host in topology(SUBNET, extra=2).hosts]
    assert names[-2:] == ["postal3", "postal4"]


def test_an_extra_host_changes_no_zone(fleet: Topology) -> None:
    assert zone_files(topology(SUBNET, extra=5)) == zone_files(fleet)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("postal.lab.test", "postal1"),
        ("mx.postal.lab.test", "postal1"),
        ("track.postal.lab.test", "postal1"),
        ("rp.postal.lab.test", "postal1"),
        ("mail.lab.test", "mx1"),
        ("mx.internet.test", "internet1"),
        ("acme.internet.test", "internet1"),
        ("registry.lab.test", "registry"),
    ],
)
def test_service_names_point_at_their_hosts(fleet: Topology, name: str, host: str) -> None:
    assert a_records(fleet)[name] == {str(fleet.host(host).address)}


def test_every_pointer_has_its_forward_record(fleet: Topology) -> None:
    """Receivers look at both directions."""
    forward = a_records(fleet)
    pointers = zones(fleet)[reverse_zone(SUBNET)]
    assert {host.address.reverse_pointer for host in fleet.hosts} <= {p[0] for p in pointers}
    for owner, kind, name in pointers:
        assert kind == "PTR"
        address = ".".join(reversed(owner.removesuffix(".in-addr.arpa").split(".")))
        assert str(IPv4Address(address)) in forward[name.rstrip(".")]


def test_mail_exchangers_have_addresses(fleet: Topology) -> None:
    forward = a_records(fleet)
    for records in zones(fleet).values():
        for _, kind, data in records:
            if kind == "MX":
                assert data.split()[1].rstrip(".") in forward


def test_owners_are_in_their_zone_and_unique(fleet: Topology) -> None:
    for zone, records in zones(fleet).items():
        assert len(set(records)) == len(records)
        for owner, _, _ in records:
            assert owner == zone or owner.endswith(f".{zone}")


def test_a_zone_file_begins_with_authority(fleet: Topology) -> None:
    for zone, text in zone_files(fleet).items():
        lines = text.splitlines()
        assert lines[0] == f"$ORIGIN {zone}."
        assert " SOA ns1.lab.test. " in lines[2]
        assert lines[3] == "@ IN NS ns1.lab.test."
        assert all(line.count('"') in (0, 2) for line in lines)


def test_servers_know_every_zone(fleet: Topology) -> None:
    for zone in ("lab.test", "internet.test", "0.213.10.in-addr.arpa"):
        assert f"domain: {zone}\n" in knot_conf(fleet, "a2V5")
        assert f"name: {zone}\n" in unbound_conf(fleet)


def test_authority_and_resolver_answer_on_different_addresses(fleet: Topology) -> None:
    assert f"listen: {fleet.authority}@53" in knot_conf(fleet, "a2V5")
    assert f"interface: {fleet.resolver}" in unbound_conf(fleet)
    assert fleet.authority != fleet.resolver


def test_a_network_in_use_is_seen() -> None:
    taken = {IPv4Network("172.17.0.0/16"), IPv4Network("10.213.0.128/25")}
    assert overlap(SUBNET, taken) == IPv4Network("10.213.0.128/25")
    assert overlap(IPv4Network("10.213.1.0/24"), taken) is None


@pytest.mark.parametrize("text", ["10.213.0.0/16", "10.213.0.1/24", "lab", "8.8.8.0/24"])
def test_a_subnet_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(LabError, match=f"LAB_SUBNET={text}"):
        parse_subnet(text)


def test_routes_without_the_default_one(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert routed_subnets(table) == {IPv4Network("192.0.2.0/24")}
