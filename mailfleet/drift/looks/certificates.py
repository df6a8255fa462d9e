"""Certificates as visitors and mail servers get them: name and time left."""

from collections.abc import Iterator, Sequence

from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.sites import sites_of

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


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    if host.has("caddy") and (sites := sites_of(fleet, host)):
        yield _look("caddy", "caddy", 443, "", [site.name for site in sites])
    if host.has("postal_smtp") and host.postal.smtp_tls != "off":
        port, name = host.postal.smtp_ports[0], host.postal.smtp_name
        yield _look("postal", "smtp", port, "-starttls smtp", [name])
    if host.has("mailserver"):
        # On port 25 postscreen lets a client wait; Postfix has one certificate for all its ports.
        yield _look("mailserver", "mailserver", 465, "", [host.mailserver.hostname])


def _look(project: str, service: str, port: int, options: str, names: Sequence[str]) -> Look:
    """At what a service of the compose project of the same name as its component serves."""
    command = _SERVED.format(
        names=" ".join(names), port=port, options=options, seconds=_SECONDS, at_once=_AT_ONCE
    )
    return Look(
        project,
        f"certificates on port {port}",
        (command,),
        judges.certificates,
        list(names),
        needs=f"{project}/{service}",
    )
