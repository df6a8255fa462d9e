"""A look at many domains by several processes, each with the domains of its part: one process
takes one core, and a thousand domains take it several seconds."""

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import IO

from mailfleet.dns.checks import mail_domains
from mailfleet.dns.checks.spool import discard, named
from mailfleet.dns.record import Record

_LEAST = 150
"""Domains for each process: starting another takes about as long as checking so many."""


def available_cores() -> int:
    """Those that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parts_of(records: Sequence[Record], most: int) -> list[list[Record]]:
    """The records in as many parts as pay, `most` at most, the first one larger since it need not
    wait for a start. Those of a domain come together: their checks ask about the same names."""
    known = mail_domains(records)
    domains: dict[str, list[Record]] = {}
    for record in records:
        domains.setdefault(_domain_of(record.name, known), []).append(record)
    count = max(1, min(most, len(domains) // _LEAST))
    share = max(1, (len(domains) - _LEAST) // count)
    parts: list[list[Record]] = [[] for _ in range(count)]
    for number, together in enumerate(domains.values()):
        # The last ones, and what does not divide, come round to the first part.
        parts[min(number // share + 1, count) % count] += together
    return parts


def _domain_of(name: str, domains: Container[str]) -> str:
    """The closest mail domain at or above a name, else its last two labels."""
    labels = name.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels)))
    return next((one for one in above if one in domains), ".".join(labels[-2:]))


class Elsewhere:
    """What runs in processes of their own."""

    def __init__(
        self, module: str, running: Sequence[tuple["subprocess.Popen[bytes]", IO[bytes]]]
    ) -> None:
        self._module = module
        self._running = running

    def outputs(self) -> Iterator[IO[bytes]]:
        """What each wrote, once it is done. Raises ChildProcessError."""
        for process, output in self._running:
            if status := process.wait():
                raise ChildProcessError(errno.ECHILD, f"ended with {status}", self._module)
            output.seek(0)
            yield output


@contextmanager
def elsewhere(module: str, inputs: Sequence[object]) -> Iterator[Elsewhere]:
    """Run a module that reads its input with `pickle` from standard input and writes what it finds
    to standard output, once for each input. Files, since a full pipe would wait for its reader.
    Raises NoRoomError where they cannot be written."""
    with ExitStack() as stack:
        running = []
        for given in inputs:
            with named():
                source = TemporaryFile()  # noqa: SIM115
                stack.callback(discard, source)
                output = stack.enter_context(TemporaryFile())
                pickle.dump(given, source, pickle.HIGHEST_PROTOCOL)
                source.seek(0)
            # Whoever interrupts the command hears of it from the command itself.
            process = subprocess.Popen(
                [sys.executable, "-m", module], stdin=source, stdout=output, process_group=0
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            running.append((process, output))
        yield Elsewhere(module, running)
