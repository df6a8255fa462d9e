"""Exit codes, the same for every command: `exit_code` is the only place that chooses one."""

from collections.abc import Iterable

from mailfleet.checks.result import Status

OK = 0
ERROR = 1
FINDINGS = 2
UNKNOWN = 3

MEANINGS = {
    OK: "Everything evaluated is in order; warnings are included.",
    ERROR: "Usage, configuration or internal error: nothing was evaluated.",
    FINDINGS: "Something fails or has drifted, or a required record is missing.",
    UNKNOWN: "Nothing is known to fail, but something is unreachable or unknown.",
}
"""Exit code -> meaning, for the reference."""


def exit_code(statuses: Iterable[Status]) -> int:
    """OK, FINDINGS or UNKNOWN. A failure wins: an unreachable host never hides it."""
    found = set(statuses)
    if Status.FAIL in found:
        return FINDINGS
    return UNKNOWN if Status.UNKNOWN in found else OK
