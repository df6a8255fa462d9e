"""How every test draws its cases: without a time limit, since the machine may be busy."""

from mailfleet.pyinfra_compat import patch_standard_library

# First, as in `mailfleet` itself: modules that took parts of ssl before would break.
patch_standard_library()


import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Continuous integration draws a quarter of the cases each time, and other ones the next time.
settings.register_profile("ci", settings.get_profile("busy"), max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "busy"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which file took how long."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.location[0]] += report.duration
    terminalreporter.section("seconds per file")
    for file, taken in seconds.most_common():
        terminalreporter.write_line(f"{taken:7.1f}  {file}")
