"""The fixtures of all lab tests, for a fleet of postal3 alone."""

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.postal3 import FLEET, HOST


@pytest.fixture(scope="session")
def postal3(lab: Lab) -> Machine:
    if HOST not in lab.hosts:
        pytest.fail(f"the lab has no {HOST}: run `mailfleet lab up --extra 1`", pytrace=False)
    return Machine(lab, HOST)


@pytest.fixture(scope="session")
def deployed(
    operator: Operator, postal3: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Operator:
    found = operator.variant(tmp_path_factory.mktemp("fleet"), FLEET)
    found.deploy().ok()
    return found


@pytest.fixture
def copied_tree(copied_tree: Operator) -> Operator:
    return copied_tree.variant(copied_tree.directory / "inventories", FLEET)
