"""The script that looks at a host, run for real: answers stay whole, whatever their size, and what
has no answer is unknown, not absent."""

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mailfleet.converge import observe
from mailfleet.converge.bundle import Bundle, Project, Unit
from mailfleet.converge.observe import Desired, Observation, SettledState, parse
from tests.probes import install


def _seen(bundle: Bundle, path: Path | None = None) -> Observation:
    """What the script tells, with the programs of one directory only."""
    output = subprocess.run(
        ["/bin/sh", "-c", Desired((bundle,)).script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": str(path)} if path else None,
    ).stdout
    return parse(output.splitlines())


def test_answers_asked_at_the_same_time_do_not_mix() -> None:
    # Far more than a pipe takes at once (pipe(7), PIPE_BUF).
    facts = {f"fact {number}": f"yes {number} | head -n 20000" for number in range(8)}
    seen = _seen(Bundle("many", facts=facts))
    assert {name: set(seen.fact("many", name).split()) for name in facts} == {
        f"fact {number}": {str(number)} for number in range(8)
    }
    assert all(len(seen.fact("many", name).split()) == 20000 for name in facts)


def test_no_other_user_of_the_host_keeps_an_answer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can lock what anybody can read (flock(2))."""
    monkeypatch.setattr(observe, "ANSWER_SECONDS", 5)
    directory = os.open("/", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        seen = _seen(Bundle("one", facts={"good": "echo here"}))
    finally:
        os.close(directory)
    assert seen.fact("one", "good") == "here"


def test_a_fact_that_fails_is_empty_and_stops_nothing() -> None:
    seen = _seen(Bundle("one", facts={"bad": "exit 3", "good": "echo here"}))
    assert (seen.fact("one", "bad"), seen.fact("one", "good")) == ("", "here")
    assert not seen.unanswered


def test_a_fact_is_quoted_as_it_is_written() -> None:
    fact = """cat <<'END'
it's "$HOME" `and` \\n
END
printf '%s' \"a'b\""""
    assert _seen(Bundle("one", facts={"odd 'name'": fact})).facts == {
        "one/odd 'name'": ('it\'s "$HOME" `and` \\n', "a'b")
    }


def test_a_byte_that_is_no_utf_8_costs_itself_only() -> None:
    """pyinfra reads no further than the first of them."""
    seen = _seen(Bundle("one", facts={"odd": "printf 'Andr\\351 here'", "good": "echo here"}))
    assert (seen.fact("one", "odd"), seen.fact("one", "good")) == ("Andr here", "here")


def test_a_question_that_hangs_costs_its_own_answer_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Enough for the others on a busy machine.
    monkeypatch.setattr(observe, "ANSWER_SECONDS", 5)
    hung = f"echo half; sh -c 'echo $$ >{tmp_path}/pid; exec sleep 1000' | cat"
    seen = _seen(Bundle("one", facts={"hung": hung, "good": "echo here"}))
    assert seen.unanswered == {"one/hung"}
    assert seen.facts == {"one/good": ("here",)}
    # What it started has ended; a zombie has no command line.
    command = Path("/proc", (tmp_path / "pid").read_text().strip(), "cmdline")
    deadline = time.monotonic() + 20
    while command.exists() and command.read_bytes():
        assert time.monotonic() < deadline, "the question still runs"


_ROW = "demo|web|hash|running|Up 2 hours"


@pytest.mark.parametrize(
    ("systemctl", "docker", "containers", "unanswered"),
    [
        pytest.param("exit 4", None, 0, False, id="not installed"),
        pytest.param("exit 3", "exit 1", 0, False, id="not running"),
        pytest.param("exit 0", f"echo '{_ROW}'", 1, False, id="a container"),
        pytest.param("exit 0", "true", 0, False, id="no container"),
        pytest.param("exit 0", "echo 'Cannot connect' >&2; exit 1", 0, True, id="no connection"),
        pytest.param("exit 0", f"echo '{_ROW}'; exec sleep 1000", 0, True, id="a hung engine"),
        pytest.param("exit 1", f"echo '{_ROW}'", 0, True, id="systemd does not tell"),
    ],
)
def test_a_docker_that_does_not_answer_is_no_docker_without_containers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    systemctl: str,
    docker: str | None,
    containers: int,
    unanswered: bool,
) -> None:
    if docker and "sleep" in docker:
        monkeypatch.setattr(observe, "ANSWER_SECONDS", 1)
    programs = _programs(tmp_path, systemctl=systemctl, **({"docker": docker} if docker else {}))
    seen = _seen(Bundle("demo", project=Project("demo", "/opt/demo", ("web",))), programs)
    assert len(seen.containers) == containers
    assert ("containers" in seen.unanswered) == unanswered


@pytest.mark.parametrize(("code", "unanswered"), [(0, set()), (1, set()), (2, {"packages"})])
def test_a_package_database_that_cannot_be_read_is_no_absent_package(
    tmp_path: Path, code: int, unanswered: set[str]
) -> None:
    query = f"echo 'installed curl'; exit {code}"
    seen = _seen(Bundle("demo", packages=("curl",)), _programs(tmp_path, **{"dpkg-query": query}))
    assert (seen.packages, seen.unanswered) == (set() if unanswered else {"curl"}, unanswered)


def test_a_systemd_that_does_not_answer_has_no_absent_units(tmp_path: Path) -> None:
    refuses = "echo 'Failed to get properties: Connection timed out' >&2; exit 1"
    seen = _seen(Bundle("demo", units=(Unit("a.service"),)), _programs(tmp_path, systemctl=refuses))
    assert not seen.units
    assert seen.unanswered == {"units"}


def _programs(directory: Path, **scripts: str) -> Path:
    """A directory with what every host has, and with programs that answer as the case wants."""
    for name in ("sh", "timeout", "flock", "stat", "sha256sum", "find", "grep", "sleep", "iconv"):
        (directory / name).symlink_to(shutil.which(name) or name)
    install(directory, **scripts)
    return directory


def test_a_deploy_looks_when_the_step_of_another_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a step leaves behind, and what it puts back when it fails, is what a plan is made of."""
    monkeypatch.setattr(observe, "STATE_DIRECTORY", str(tmp_path))
    lock = tmp_path / "lock"
    lock.write_text("root: services of one")
    look = SettledState().command(Desired((Bundle("one", facts={"what": f"cat {tmp_path}/what"}),)))
    (tmp_path / "what").write_text("half made")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        looking = subprocess.Popen(["/bin/sh", "-c", look], stdout=subprocess.PIPE, text=True)
        _wait_for_waiting(lock)
        (tmp_path / "what").write_text("whole")
    seen = parse(looking.communicate()[0].splitlines())
    assert (seen.fact("one", "what"), seen.changed_by) == ("whole", "")


def test_a_deploy_that_never_ends_its_step_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(observe, "STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(observe, "CHANGE_SECONDS", 1)
    lock = tmp_path / "lock"
    lock.write_text("eve from 10.0.0.1: services of postal, since 2026-01-01T00:00:00Z")
    look = SettledState().command(Desired((Bundle("one", facts={"good": "echo here"}),)))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        output = subprocess.run(["/bin/sh", "-c", look], capture_output=True, text=True, check=True)
    assert parse(output.stdout.splitlines()) == Observation(changed_by=lock.read_text())


def _wait_for_waiting(lock: Path) -> None:
    """Until somebody waits for a lock on this file: `->` marks who waits (proc_locks(5))."""
    inode, deadline = lock.stat().st_ino, time.monotonic() + 20
    while not any(
        "->" in line and f":{inode} " in line
        for line in Path("/proc/locks").read_text().splitlines()
    ):
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.05)
