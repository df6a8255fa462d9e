"""Certificates as visitors and mail servers get them: name and time left."""

from collections.abc import Iterator, Sequence
from functools import partial

from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, container_runs
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.sites import sites_of

_DAYS = 86400
# Caddy renews when a third of the life is left; its own CA issues for half a day at a time.
_LEFT_SECONDS = {"acme": 14 * _DAYS, "given": 14 * _DAYS, "internal": 3600}

_SERVED = """
certificate=$(
    openssl s_client -connect 127.0.0.1:{port} {options} -servername {name} </dev/null 2>/dev/null |
        openssl x509 2>/dev/null
) || {{ echo '{name}|0|no'; exit 0; }}
ends=$(echo "$certificate" | openssl x509 -noout -enddate | sed s/notAfter=//)
matches=$(echo "$certificate" | openssl x509 -noout -checkhost {name} | grep -o 'does match')
echo "{name}|$(($(date -d "$ends" +%s) - $(date +%s)))|${{matches:-no}}"
"""


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    if host.has("caddy"):
        left = _LEFT_SECONDS[host.caddy.tls]
        for site in sites_of(fleet, host):
            yield Look(
                "caddy",
                f"certificate of {site.name}",
                _SERVED.format(port=443, options="", name=site.name),
                partial(judge, least_seconds=left),
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
            partial(judge, least_seconds=smtp_left),
            applies=container_runs("postal", "smtp"),
        )


def judge(lines: Sequence[str], least_seconds: int) -> Iterator[Difference]:
    """`<name>|<seconds left>|<whether it is for that name>`."""
    for line in lines:
        name, left, matches = line.split("|")
        seconds = int(left)
        if seconds == 0 and matches == "no":
            seen = "none is served"
        elif matches != "does match":
            seen = "for another name"
        elif seconds < least_seconds:
            seen = f"ends in {seconds / _DAYS:.1f} days" if seconds > 0 else "expired"
        else:
            continue
        wanted = f"for {name}, at least {least_seconds / _DAYS:.1f} days left"
        remedy = "the runbook on certificates tells how a renewal is found and made to work"
        yield Difference(Kind.CERTIFICATE, name, wanted, seen, remedy)
