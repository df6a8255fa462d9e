"""Fixtures of the lab tests: the running lab, and Postal deployed on it."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lab.state import Lab, LabError, read_lab
from tests.lab.console import ROOT, Operator
from tests.lab.hosts import Machine


@cache
def _running_lab() -> Lab:
    try:
        return read_lab()
    except LabError:
        pytest.fail("the lab is not up: run `make test`, or `mailfleet lab up`", pytrace=False)


@cache
def _operator() -> Operator:
    operator = Operator(ROOT)
    operator.run("mailfleet", "secrets", "init", operator.inventory).ok()
    return operator


@cache
def _deploy_once() -> None:
    _operator().deploy().ok()


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab; never brought up here, since that belongs to `make test`."""
    return _running_lab()


@pytest.fixture(scope="session")
def operator(lab: Lab) -> Operator:
    """Someone in the top directory, with secrets for the lab."""
    return _operator()


@pytest.fixture(scope="session")
def postal1(lab: Lab) -> Machine:
    return Machine(lab, "postal1")


@pytest.fixture(scope="session")
def postal2(lab: Lab) -> Machine:
    return Machine(lab, "postal2")


@pytest.fixture(scope="session")
def mx1(lab: Lab) -> Machine:
    return Machine(lab, "mx1")


@pytest.fixture(scope="session")
def internet1(lab: Lab) -> Machine:
    return Machine(lab, "internet1")


@pytest.fixture(scope="session")
def deployed(operator: Operator) -> Operator:
    """The operator of a fleet on which deploys/postal.py has run."""
    _deploy_once()
    return operator


@pytest.fixture
def restored(deployed: Operator) -> Iterator[Operator]:
    """For tests that leave a host changed: afterwards the plain description is in force again."""
    yield deployed
    outcome = deployed.deploy().ok()
    assert outcome.data["results"]["failed_hosts"] == []


@pytest.fixture
def copied_tree(tmp_path: Path) -> Operator:
    """An operator in a copy of the work tree, free to break it."""
    for name in ("mailfleet", "templates", "files", "deploys", "group_data"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    shutil.copy(ROOT / "config.py", tmp_path)
    return Operator(tmp_path, {"PYTHONPATH": str(tmp_path)}).variant(tmp_path / "inventories", "")
