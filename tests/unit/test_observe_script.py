"""The script that looks at a host, run for real: answers stay whole, whatever their size."""

import subprocess

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Wanted, parse


def test_answers_asked_at_the_same_time_do_not_mix() -> None:
    # Far more than a pipe takes at once (pipe(7), PIPE_BUF).
    facts = {f"fact {number}": f"yes {number} | head -n 20000" for number in range(8)}
    wanted = Wanted((Bundle("many", facts=facts),))
    output = subprocess.run(
        ["sh", "-c", wanted.script], capture_output=True, text=True, check=True
    ).stdout
    seen = parse(output.splitlines())
    assert {name: set(seen.fact("many", name).split()) for name in facts} == {
        f"fact {number}": {str(number)} for number in range(8)
    }
    assert all(len(seen.fact("many", name).split()) == 20000 for name in facts)


def test_a_fact_that_fails_is_empty_and_stops_nothing() -> None:
    wanted = Wanted((Bundle("one", facts={"bad": "exit 3", "good": "echo here"}),))
    output = subprocess.run(
        ["sh", "-c", wanted.script], capture_output=True, text=True, check=True
    ).stdout
    seen = parse(output.splitlines())
    assert (seen.fact("one", "bad"), seen.fact("one", "good")) == ("", "here")
