"""Certificates as visitors and mail servers get them: name and time left."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography import x509

from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, container_runs
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.sites import sites_of

_DAYS = 86400
_DAY = timedelta(days=1)
# Caddy renews when a third of the life is left; its own CA issues for half a day at a time.
_LEFT_SECONDS = {"acme": 14 * _DAYS, "given": 14 * _DAYS, "internal": 3600}

_AT_ONCE = 8
_SECONDS = 20

# Of whoever answers; nothing where nobody does. The certificate is read on the control machine. All
# names in one command: a host may have hundreds, and one argument of a program has 128 KiB at most
# (execve(2)). What belongs together is said at once, under a lock that ends with its shell.
_SERVED = """printf '%s\\n' {names} | timeout {seconds} xargs -n 1 -P {at_once} sh -c '
    served=$(openssl s_client -connect 127.0.0.1:{port} {options} -servername "$0" </dev/null \\
        2>/dev/null | sed -n "/^-----BEGIN CERTIFICATE/,/^-----END CERTIFICATE/p")
    exec 9</; flock 9; printf "name %s\\n%s\\n" "$0" "$served"
'"""


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    renewed = _LEFT_SECONDS[host.caddy.tls] if host.has("caddy") else _LEFT_SECONDS["given"]
    if host.has("caddy") and (sites := sites_of(fleet, host)):
        yield _look("caddy", "caddy", 443, "", [site.name for site in sites], renewed)
    if host.has("postal_smtp") and host.postal.smtp_tls != "off":
        left = renewed if host.postal.smtp_tls == "caddy" else _LEFT_SECONDS["given"]
        port, name = host.postal.smtp_ports[0], host.postal.smtp_name
        yield _look("postal", "smtp", port, "-starttls smtp", [name], left)
    if host.has("mailserver"):
        left = renewed if host.mailserver.tls == "caddy" else _LEFT_SECONDS["given"]
        # On port 25 postscreen lets a client wait; Postfix has one certificate for all its ports.
        yield _look("mailserver", "mailserver", 465, "", [host.mailserver.hostname], left)


def _look(
    project: str, service: str, port: int, options: str, names: Sequence[str], least_seconds: int
) -> Look:
    """At what a service of the compose project of the same name as its component serves."""
    return Look(
        project,
        f"certificates on port {port}",
        _SERVED.format(
            names=" ".join(names), port=port, options=options, seconds=_SECONDS, at_once=_AT_ONCE
        ),
        partial(judge, names=names, least_seconds=least_seconds),
        applies=container_runs(project, service),
    )


def judge(lines: Sequence[str], names: Sequence[str], least_seconds: int) -> Iterator[Difference]:
    """Lines `name NAME`, each before a certificate in PEM (RFC 7468), or nothing."""
    served: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("name "):
            pem = served.setdefault(line.removeprefix("name "), [])
        elif line:
            pem.append(line)
    for name in names:
        if seen := _wrong(served.get(name, []), name, least_seconds):
            wanted = f"for {name}, at least {timedelta(seconds=least_seconds) / _DAY:.1f} days left"
            remedy = "the runbook on certificates tells how a renewal is found and made to work"
            yield Difference(Kind.CERTIFICATE, name, wanted, seen, remedy)


def _wrong(pem: Sequence[str], name: str, least_seconds: int) -> str:
    """What is wrong with a certificate; empty where nothing is."""
    if not pem:
        return "none is served"
    certificate = x509.load_pem_x509_certificate("\n".join(pem).encode())
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if not _is_for(certificate, name):
        return "for another name"
    if left < timedelta(0):
        return "expired"
    return f"ends in {left / _DAY:.1f} days" if left < timedelta(seconds=least_seconds) else ""


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    """RFC 9525 section 6.3: the whole name, or `*` in place of its first label."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    names = {each.lower() for each in extension.value.get_values_for_type(x509.DNSName)}
    return not names.isdisjoint({name.lower(), f"*.{name.partition('.')[2]}".lower()})
