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

# Of whoever answers; nothing where nobody does. The certificate is read on the control machine.
_SERVED = (
    "openssl s_client -connect 127.0.0.1:{port} {options} -servername {name} </dev/null "
    "2>/dev/null | sed -n '/^-----BEGIN CERTIFICATE/,/^-----END CERTIFICATE/p'"
)


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    if host.has("caddy"):
        left = _LEFT_SECONDS[host.caddy.tls]
        for site in sites_of(fleet, host):
            yield Look(
                "caddy",
                f"certificate of {site.name}",
                _SERVED.format(port=443, options="", name=site.name),
                partial(judge, name=site.name, least_seconds=left),
                applies=container_runs("caddy", "caddy"),
            )
    if host.has("postal_smtp") and host.postal.smtp_tls != "off":
        short = host.postal.smtp_tls == "caddy" and host.has("caddy")
        smtp_left = _LEFT_SECONDS[host.caddy.tls] if short else 14 * _DAYS
        yield Look(
            "postal",
            "SMTP certificate",
            _SERVED.format(
                port=host.postal.smtp_ports[0],
                options="-starttls smtp",
                name=host.postal.smtp_name,
            ),
            partial(judge, name=host.postal.smtp_name, least_seconds=smtp_left),
            applies=container_runs("postal", "smtp"),
        )


def judge(lines: Sequence[str], name: str, least_seconds: int) -> Iterator[Difference]:
    """A certificate in PEM (RFC 7468), or nothing."""
    if not lines:
        seen = "none is served"
    else:
        certificate = x509.load_pem_x509_certificate("\n".join(lines).encode())
        left = certificate.not_valid_after_utc - datetime.now(UTC)
        if not _is_for(certificate, name):
            seen = "for another name"
        elif left < timedelta(0):
            seen = "expired"
        elif left < timedelta(seconds=least_seconds):
            seen = f"ends in {left / _DAY:.1f} days"
        else:
            return
    wanted = f"for {name}, at least {timedelta(seconds=least_seconds) / _DAY:.1f} days left"
    remedy = "the runbook on certificates tells how a renewal is found and made to work"
    yield Difference(Kind.CERTIFICATE, name, wanted, seen, remedy)


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    """RFC 9525 section 6.3: the whole name, or `*` in place of its first label."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    names = {each.lower() for each in extension.value.get_values_for_type(x509.DNSName)}
    return not names.isdisjoint({name.lower(), f"*.{name.partition('.')[2]}".lower()})
