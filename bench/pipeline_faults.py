"""What becomes of numbered messages when a part of the pipeline fails, for each handoff.

    mailfleet lab up
    .venv/bin/python bench/pipeline_faults.py [--handoff lmtp] [--fault "disk full"] [--seconds 60]

The faults are those of tests/lab/mx1/test_6_pipeline_faults.py; see docs/explanation/handoff.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.state import read_lab
from tests.lab import pipeline as pipelines
from tests.lab.console import ROOT, Operator
from tests.lab.hosts import Machine

HANDOFFS = ("pipe", "lmtp", "alias")
_HEAD = "| handoff | fault | sent | received | duplicated | lost | waited | seconds |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--handoff", choices=HANDOFFS, action="append")
    parser.add_argument("--fault", choices=pipelines.FAULTS, action="append")
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60, help="that the API is unreachable")
    options = parser.parse_args()
    operator, mx1 = Operator(ROOT), Machine(read_lab(), "mx1")
    print(f"{_HEAD}\n|---|---|{'---:|' * 6}", flush=True)
    for handoff in options.handoff or HANDOFFS:
        with (
            tempfile.TemporaryDirectory() as name,
            pipelines.running(operator, mx1, handoff, Path(name), options.seconds) as pipeline,
        ):
            for fault in options.fault or pipelines.FAULTS:
                # LMTP has no key.
                if (handoff, fault) != ("lmtp", "wrong key"):
                    _row(pipeline, fault, options.messages)
    operator.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()


def _row(pipeline: pipelines.Pipeline, fault: str, messages: int) -> None:
    count = pipelines.counted(pipeline, fault, messages)
    figures = (count.sent, count.received, count.duplicated, count.lost, count.waited)
    cells = " | ".join(str(one) for one in (*figures, f"{count.seconds:.0f}"))
    print(f"| {pipeline.handoff} | {fault} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
