"""Drift checks of certificates as visitors and mail servers get them: name and time left."""

from collections.abc import Sequence

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck

_AT_ONCE = 8
_SECONDS = 20

# Of whoever answers; nothing where nobody does. All names in one command: a host may have hundreds,
# and one argument of a program has 128 KiB at most (execve(2)). What belongs together is said at
# once, under a lock that ends with its shell; it is the pipe's, which nobody else can hold.
_SERVED = """printf '%s\\n' {names} | timeout {seconds} xargs -n 1 -P {at_once} sh -c '
    served=$(openssl s_client -connect 127.0.0.1:{port} {options} -servername "$0" </dev/null \\
        2>/dev/null | openssl x509 -noout -dates -ext subjectAltName 2>/dev/null)
    exec 9>>/dev/stdout; flock 9; printf "name %s\\n%s\\n" "$0" "$served"
'"""


def served_certificates(
    component: str, service: str, port: int, options: str, names: Sequence[str]
) -> DriftCheck:
    """Check of what a service of the compose project of the same name as its component serves.
    `options` are those of openssl-s_client(1), such as `-starttls smtp`."""
    command = _SERVED.format(
        names=" ".join(names), port=port, options=options, seconds=_SECONDS, at_once=_AT_ONCE
    )
    return DriftCheck(
        component,
        f"certificates on port {port}",
        (command,),
        evaluate.certificates,
        list(names),
        needs=f"{component}/{service}",
    )
