"""Probes asked on this machine, by their own commands."""

import os
import subprocess
from pathlib import Path

from mailfleet.checks.probe import Answers, Probe, results
from mailfleet.checks.result import CheckResult


def asked(
    probe: Probe, directory: Path, component: str = "it", host: str = "one", **environment: str
) -> CheckResult:
    """What a probe finds here. Programs in `directory` come before the machine's own."""
    done = subprocess.run(
        ["sh", "-c", Answers.command(Answers(), {f"{component}: {probe.name}": probe.command})],
        env={"PATH": f"{directory}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = Answers.process(Answers(), done.stdout.splitlines())
    (found,) = results(host, component, [probe], outputs)
    return found


def install(directory: Path, **programs: str) -> None:
    """Programs that are these shells."""
    for name, shell in programs.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\n{shell}\n")
        program.chmod(0o755)
