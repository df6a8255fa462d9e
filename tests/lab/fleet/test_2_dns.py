"""The lab's DNS, checked as an operator checks the world's."""

import re
from collections.abc import Iterator

import pytest

from lab.state import Lab
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import Machine

_ZONE = "/etc/nsd/zones/lab.test.zone"
_RELOAD = "nsd-control reload lab.test"


@pytest.fixture
def ns1(lab: Lab) -> Iterator[Machine]:
    """The name server, with its zone as it was afterwards."""
    machine = Machine(lab, "ns1")
    machine.run(f"cp -p {_ZONE} /root/zone")
    yield machine
    machine.run(f"mv /root/zone {_ZONE} && {_RELOAD}")


def _check(operator: Operator, lab: Lab) -> Outcome:
    arguments = ("mailfleet", "dns", "check", operator.inventory, "lab.test")
    return operator.run(*arguments, "--server", lab.resolver)


def test_only_the_keys_that_the_operator_made_are_missing_and_can_be_pasted(
    operator: Operator, lab: Lab, ns1: Machine
) -> None:
    outcome = _check(operator, lab)
    assert outcome.code == 2, outcome
    failed = re.findall(r"^(?:fail|warn) +(\S+) +(\S+)", outcome.screen, re.MULTILINE)
    keys = {"postal._domainkey.rp.postal.lab.test", "mail._domainkey.lab.test"}
    assert set(failed) == {(key, "TXT") for key in keys}, outcome
    pasted = re.findall(r"^ +paste +(.+)$", outcome.screen, re.MULTILINE)
    lines = "\n".join(pasted)
    ns1.run(f"cat >>{_ZONE} <<'END' && {_RELOAD}\n{lines}\nEND")
    _check(operator, lab).ok()
