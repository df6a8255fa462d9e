"""Every part of the pipeline fails under load: nothing is lost, and nothing comes twice, but for
what a relay has taken without telling. bench/pipeline_faults.py does it with every handoff."""

from collections.abc import Iterator

import pytest

from tests.lab import pipeline as pipelines
from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.pipeline import FAULTS, PROCESSES, Pipeline

MESSAGES = 500


@pytest.fixture(scope="module")
def pipeline(
    operator: Operator, mx1: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    directory = tmp_path_factory.mktemp("pipeline")
    with pipelines.running(operator, mx1, "pipe", directory, outage_seconds=60) as found:
        yield found
    operator.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()


@pytest.mark.parametrize("name", FAULTS)
def test_no_message_is_lost(pipeline: Pipeline, name: str) -> None:
    count = pipelines.counted(pipeline, name, MESSAGES)
    print(f"{name}: {count}")
    assert count.lost == 0
    twice = {number for number, copies in pipeline.relay.taken.items() if copies > 1}
    if name == "relay cuts after taking":
        assert count.duplicated == len(twice) == PROCESSES
    elif name == "API killed":
        # It is cut off from the relay's answer in the same way, with so many messages under way.
        assert all(pipeline.relay.unconfirmed[number] for number in twice)
        assert count.duplicated <= PROCESSES
    else:
        assert count.duplicated == 0
