"""One `mailfleet drift` taken apart, as JSON: seconds from the process' start, and what it found.

.venv/bin/python bench/drift_phases.py INVENTORY [DEPLOY]...
"""

# pyinfra talks to several hosts at once by gevent, which must come before the modules it patches.
from gevent import monkey

monkey.patch_all()

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from pyinfra.connectors.ssh import SSHConnector
from mailfleet import transport as ask
from mailfleet.drift.compare import drift


def _since_start() -> float:
    """Field 22 of proc_pid_stat(5) is when the process started, in ticks since boot."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


_marks = {"loaded": _since_start()}


def _marked(call: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
    @wraps(call)
    def timed(*arguments: Any, **options: Any) -> Any:
        _marks.setdefault(before, _since_start())
        try:
            return call(*arguments, **options)
        finally:
            _marks[after] = _since_start()

    return timed


ask.connect_hosts = _marked(ask.connect_hosts, "rendered", "connected")
ask.disconnect_all = _marked(ask.disconnect_all, "answered", "disconnected")
_trips: Counter[str] = Counter()


def _counted(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def counted(self: SSHConnector, *arguments: Any, **options: Any) -> Any:
        _trips[self.host.name] += 1
        return call(self, *arguments, **options)

    return counted


for _name in ("run_shell_command", "put_file", "get_file"):
    setattr(SSHConnector, _name, _counted(getattr(SSHConnector, _name)))

report = drift(sys.argv[1], sys.argv[2:])
_marks["ended"] = _since_start()
_found = {"found": len(report.findings), "trips": max(_trips.values())}
print(json.dumps({**_marks, **_found, "exit": report.exit_code}))
