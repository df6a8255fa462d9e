"""Runs that are cut off half-way: the next one converges, and the one after changes nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.postal3 import HOST, SITE
from tests.lab.web import https

# The lock on the host says what is being done there.
_LOCK = "/var/lib/mailfleet/lock"

Cut = Callable[[Machine, int], None]


def _kill_program(machine: Machine, process: int) -> None:
    """As when the operator's machine loses power."""
    os.killpg(process, signal.SIGKILL)


# Processes that hold the lock: the script that changes the host, and what it started.
_HOLDERS = (
    f"for one in /proc/[0-9]*; do ls -l $one/fd 2>/dev/null | grep -q {_LOCK} && "
    "echo ${one#/proc/}; done"
)


def _kill_session(machine: Machine, process: int) -> None:
    """As when the connection is lost: the SSH daemon's process for it is gone."""
    machine.run(
        f"one=$({_HOLDERS} | sort -n | head -n 1); "
        "until grep -q '^sshd' /proc/$one/comm; do one=$(awk '{print $4}' /proc/$one/stat); done; "
        "kill -9 $one"
    )


def _kill_script(machine: Machine, process: int) -> None:
    """As when the host loses power: what changes it stops where it is."""
    machine.run(f"kill -9 $({_HOLDERS})")


def _kill_between_containers(machine: Machine, process: int) -> None:
    """The same, while Compose has a new container beside the old one."""
    half_made = "docker ps --all --format '{{.Names}}' | grep -qE '^[0-9a-f]{12}_'"
    machine.run(f'timeout 120 sh -c "until {half_made}; do sleep 0.02; done"')
    _kill_script(machine, process)


CUTS = {
    "operator, files": ("files of postal", _kill_program),
    "operator, services": ("services of postal", _kill_program),
    "session, services": ("services of postal", _kill_session),
    "host, services": ("services of postal", _kill_script),
    "host, containers": ("services of postal", _kill_between_containers),
}


def _wait_for(step: str, machine: Machine) -> bool:
    """Ends when the step begins; the deadline is for a run that never comes there."""
    wait = f"until grep -q '{step}' {_LOCK}; do sleep 0.02; done"
    return machine.ask(f'timeout 300 sh -c "{wait}"').code == 0


@pytest.mark.parametrize(("step", "cut"), CUTS.values(), ids=CUTS.keys())
def test_an_interrupted_run_is_finished_by_the_next(
    restored: Operator, postal3: Machine, lab: Lab, tmp_path: Path, step: str, cut: Cut
) -> None:
    name = f"during {step} by {cut.__name__.strip('_').replace('_', ' ')}"
    renamed = restored.variant(tmp_path, f'settings["postal_from_name"] = "Cut off {name}"')
    postal3.run(f": >{_LOCK}")
    process = renamed.start("pyinfra", "-y", renamed.inventory, "deploys/postal.py")
    begun = _wait_for(step, postal3)
    if begun:
        cut(postal3, process.pid)
    output, _ = process.communicate()
    assert begun, output
    assert process.returncode != 0 and "Traceback" not in output, output

    renamed.deploy().ok()
    outcome = renamed.deploy().ok()
    assert outcome.changed == {}, str(outcome)
    assert https(lab, SITE, "/login", host=HOST).status == 200
    running = postal3.run(
        "cd /opt/postal && docker compose exec -T smtp cat /config/postal.yml </dev/null"
    )
    assert f"Cut off {name}" in running
    assert postal3.run("find /var/lib/mailfleet/pending -name postal") == ""


def test_the_next_run_looks_when_a_cut_off_one_has_put_the_former_files_back(
    restored: Operator, postal3: Machine, tmp_path: Path
) -> None:
    """Nobody hears of what goes wrong on a host whose connection was cut."""
    renamed = restored.variant(tmp_path, 'settings["postal_from_name"] = "Put back unheard"')
    postal3.run(f": >{_LOCK}")
    process = renamed.start("pyinfra", "-y", renamed.inventory, "deploys/postal.py")
    assert _wait_for("services of postal", postal3)
    _kill_session(postal3, process.pid)
    process.communicate()
    # The script itself goes on; what it waits for ends only when the next run has begun.
    waited_for = f"$({_HOLDERS} | sort -n | tail -n +2)"
    stopped = postal3.run(f"all={waited_for}; kill -STOP $all; echo $all")
    following = renamed.start("pyinfra", "-y", renamed.inventory, "deploys/postal.py")
    waits = "pgrep -f '^flock .*--timeout'"
    postal3.run(f'timeout 60 sh -c "until {waits}; do sleep 0.1; done"')
    postal3.run(f"kill -9 {stopped}")
    output, _ = following.communicate()
    assert following.returncode == 0, output
    outcome = renamed.deploy().ok()
    assert outcome.changed == {}, str(outcome)


def test_a_second_operator_waits_for_the_first(
    deployed: Operator, postal3: Machine, tmp_path: Path
) -> None:
    """Two runs at once: one after the other on the host, and both converge."""
    renamed = deployed.variant(tmp_path, 'settings["base_journal_max_mb"] = 321')
    first = renamed.start("pyinfra", "-y", renamed.inventory, "deploys/postal.py")
    second = renamed.deploy()
    output, _ = first.communicate()
    assert (first.returncode, second.code) == (0, 0), output + str(second)
    assert renamed.dry().ok().planned == {}
    deployed.deploy().ok()
