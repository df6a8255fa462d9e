"""The lab's DNS, checked and published as an operator does it with the world's."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import Machine, until
from tests.lab.web import https

_ZONES = "/etc/knot/zones"
# What the lab itself needs, none of it of the fleet.
_KEPT = "SOA|NS|ns1|ntp|resolver|registry"


@pytest.fixture
def ns1(lab: Lab) -> Iterator[Machine]:
    """The name server, with its zones as they were afterwards: what was published goes too."""
    machine = Machine(lab, "ns1")
    machine.run(f"cp -rp {_ZONES} /root/zones")
    yield machine
    machine.run(f"cp -r /root/zones/. {_ZONES}/ && rm -r /root/zones && knotc zone-reload")


@pytest.fixture
def bare(ns1: Machine, lab: Lab) -> Machine:
    """The name server, whose zones know nothing of the fleet yet."""
    reverse = ip_address(lab.authority).reverse_pointer.partition(".")[2]
    for zone in ("lab.test", reverse):
        kept = rf"^\$|^@ |^({_KEPT})\.lab\.test\. "
        ns1.run(f"grep -E '{kept}' /root/zones/{zone}.zone >{_ZONES}/{zone}.zone")
    ns1.run("knotc zone-reload")
    return ns1


def _check(operator: Operator, *options: str) -> Outcome:
    return operator.run("mailfleet", "dns", "check", operator.inventory, *options)


def _publish(operator: Operator) -> Outcome:
    return operator.run("mailfleet", "dns", "publish", operator.inventory, "--yes")


def _wrong(outcome: Outcome) -> set[tuple[str, str]]:
    """Name and type of each finding that is not well."""
    found = re.findall(r"^(?:fail|warn|unknown) +(\S+) +(\S+)", outcome.screen, re.MULTILINE)
    return set(found)


def test_only_the_keys_that_the_operator_made_are_missing_and_can_be_pasted(
    operator: Operator, ns1: Machine
) -> None:
    outcome = _check(operator, "lab.test")
    assert outcome.code == 2, outcome
    keys = {"postal._domainkey.rp.postal.lab.test", "mail._domainkey.lab.test"}
    assert _wrong(outcome) == {(key, "TXT") for key in keys}, outcome
    remedies = re.findall(r"^ +remedy +(.+)$", outcome.screen, re.MULTILINE)
    lines = "\n".join(remedies)
    ns1.run(f"cat >>{_ZONES}/lab.test.zone <<'END' && knotc zone-reload\n{lines}\nEND")
    _check(operator, "lab.test").ok()


def test_from_a_bare_zone_to_a_clean_check_in_three_commands(
    operator: Operator, bare: Machine
) -> None:
    wanted = operator.run_json("mailfleet", "dns", "records", operator.inventory, "--json").data
    outcome = _check(operator)
    assert outcome.code == 2, outcome
    missing = {(record["name"], record["type"]) for record in wanted}
    assert _wrong(outcome) >= missing, missing - _wrong(outcome)

    published = _publish(operator).ok()
    assert f"{len(missing)} to create, 0 to update, 0 to delete, 0 conflicting" in published.screen

    assert _wrong(_check(operator, "--strict", "--authoritative").ok()) == set()
    again = _publish(operator).ok()
    assert "0 to create, 0 to update, 0 to delete, 0 conflicting" in again.screen


def test_a_policy_of_mta_sts_is_published_and_served_over_https(
    bare: Machine, restored: Operator, lab: Lab, tmp_path: Path
) -> None:
    asking = restored.variant(
        tmp_path,
        "from mailfleet.dns.settings import MtaSts\n"
        'settings["dns_mta_sts"] = {"in.lab.test": MtaSts(served_by="postal1", mode="enforce", '
        'reports="postmaster@in.lab.test")}\n'
        'settings["dns_report"] = True',
        SSL_CERT_FILE=str(lab.acme_root_file),
    )
    announced = ("_mta-sts.in.lab.test", "TXT")
    # The name first: the certificate needs it.
    _publish(asking).ok()
    assert _wrong(_check(asking, "--strict")) == {announced}
    deployed = asking.deploy().ok()
    assert "DNS: all required records are published" in deployed.screen, deployed
    # Caddy obtains the certificate after it was told of the name.
    until(lambda: not _wrong(_check(asking, "--strict")), "the policy over HTTPS")
    policy = asking.run("mailfleet", "dns", "mta-sts", asking.inventory, "in.lab.test").ok().screen
    page = https(lab, "mta-sts.in.lab.test", "/.well-known/mta-sts.txt")
    assert page.text == policy.replace("\n", "\r\n")
    assert "mx: mx1.lab.test\r\n" in page.text
    assert https(lab, "mta-sts.in.lab.test", "/mta-sts.in.lab.test.txt").status == 404
