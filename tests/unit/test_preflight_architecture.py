"""Which machines can run which images."""

import pytest

from mailfleet.components.preflight.results import results
from mailfleet.converge.observe import Observation
from tests.unit.conftest import INVENTORY, Write


@pytest.mark.parametrize(
    ("groups", "machine", "status"),
    [
        ("postal", "x86_64", "ok"),
        ("postal", "aarch64", "fail"),
        ("postal_worker", "aarch64", "fail"),
        ("caddy", "aarch64", "ok"),
        ("caddy", "riscv64", "fail"),
        ("database", "aarch64", "ok"),
        ("server", "riscv64", "ok"),
    ],
)
def test_a_host_must_be_a_machine_that_its_images_are_made_for(
    fleet_from: Write, groups: str, machine: str, status: str
) -> None:
    address = '"host_private_ipv4": "10.0.0.2"'
    other = f'{groups} = [("other", {{"host_fqdn": "other.example.com", {address}}})]\n'
    inventory = INVENTORY.replace('"host_public', '"host_private_ipv4": "10.0.0.1", "host_public')
    if groups in ("database", "caddy"):
        inventory = inventory.replace(f"{groups} = [_host]\n", "")
    if groups == "postal":
        inventory = inventory.replace("postal = [_host]\n", "")
    tls = 'postal_smtp_tls = "off"\n'
    names = 'postal_web_hostname = "postal.example.com"\ncaddy_acme_email = "a@example.com"\n'
    fleet = fleet_from(tls, inventory=inventory + other, all=names + tls)
    seen = Observation(facts={"preflight/architecture": (machine,), "preflight/os": ("debian 13",)})
    found = {result.name: result for result in results(fleet, fleet.hosts["other"], seen)}
    assert found["architecture"].status == status
