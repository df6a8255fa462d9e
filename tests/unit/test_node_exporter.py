"""The node exporter: nobody reaches it unless the settings say who may."""

from mailfleet.components.node_exporter.bundle import bundle
from mailfleet.components.registry import COMPONENTS
from mailfleet.fleet.ports import ports_of
from tests.unit.conftest import INVENTORY, Write

_INVENTORY = f"{INVENTORY}\nmetrics = [_host]\n"


def test_exporter_listens_on_loopback_by_default(fleet_from: Write) -> None:
    fleet = fleet_from(inventory=_INVENTORY)
    host = fleet.hosts["postal1"]
    (use,) = (use for use in ports_of(fleet, host) if use.component == "node_exporter")
    assert not use.inbound
    file = bundle(fleet, host).file("/etc/default/prometheus-node-exporter")
    assert file.content == b'ARGS="--web.listen-address=127.0.0.1:9100"\n'


def test_exporter_is_opened_to_the_given_networks_only(fleet_from: Write) -> None:
    fleet = fleet_from('node_exporter_sources = ["10.0.0.0/8"]\n', inventory=_INVENTORY)
    host = fleet.hosts["postal1"]
    access = next(item for item in COMPONENTS if item.name == "access")
    assert access.bundle is not None
    rules = access.bundle(fleet, host).file("/etc/mailfleet/firewall.nft").content.decode()
    lines = [line.strip() for line in rules.splitlines() if "dport 9100" in line]
    assert lines, rules
    assert all(line.startswith("ip saddr { 10.0.0.0/8 } tcp dport 9100 ") for line in lines), lines


def test_hosts_without_the_role_do_not_carry_the_exporter(fleet_from: Write) -> None:
    fleet = fleet_from()
    host = fleet.hosts["postal1"]
    carried = {item.name for item in COMPONENTS if item.on(fleet, host)}
    assert "node_exporter" not in carried
