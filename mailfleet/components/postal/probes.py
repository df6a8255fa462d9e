"""Health probes of Postal. Its web process has no /health, so its pages are requested."""

import re

from mailfleet.checks.certificate import expiry
from mailfleet.checks.https import WebSite
from mailfleet.checks.outbound import outbound_probe
from mailfleet.checks.probe import AnyProbe, ExternalProbe, Probe
from mailfleet.checks.relay import postal_relay_probe
from mailfleet.checks.result import Level
from mailfleet.checks.smtp import SmtpServer
from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.components.health.settings import HealthSettings
from mailfleet.components.postal.ports import SMTP_HEALTH_PORT, web_address, worker_health_ports
from mailfleet.components.postal.queue_probes import queue_probes
from mailfleet.components.postal.settings import POSTAL_PROCESSES, PostalSettings
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.templates import render_script

TLS = "/opt/postal/config/tls"
"""Holds certificate and key of the SMTP server."""
_CERTIFICATE = f"{TLS}/smtp.cert"


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """Probes of the processes on this host."""
    settings = host[PostalSettings]
    checks: list[AnyProbe] = []
    if host.has(*POSTAL_PROCESSES):
        checks.append(_version(settings.version))
    if host.has("postal_web"):
        checks += _web(fleet, host)
    if host.has("postal_smtp"):
        checks += _smtp(host)
    if host.has("postal_worker"):
        checks += [_health(f"worker {port}", port, "worker") for port in _worker_ports(host)]
        preflight = host[PreflightSettings]
        if not settings.relays and "outbound-25" not in preflight.accept:
            checks.append(
                outbound_probe(preflight.outbound_host, preflight.outbound_port, "postal_relays")
            )
        checks += [postal_relay_probe(url) for url in settings.relays]
        if settings.use_ip_pools:
            checks.append(_ip_pools(alone=len(fleet.with_role("postal_worker")) == 1))
    if host.has("database"):
        checks += queue_probes(fleet[PostalSettings], host[HealthSettings])
    if host.has(*POSTAL_PROCESSES):
        checks += _from_outside(host)
    return tuple(checks)


_VERSION = re.compile(r"\d+(\.\d+)+")


def _version(tag: str) -> Probe:
    """Compares the version that Postal reports with the tag, unless that is a name (`stable`)."""
    version = tag.partition("@")[0]
    desired = version if _VERSION.fullmatch(version) else ""
    return Probe(
        "version",
        render_script("postal/probes/version.sh", DESIRED=desired),
        "deploy again, or set postal_version to what is to run",
        # It starts Ruby.
        level=Level.FULL,
    )


def _ip_pools(alone: bool) -> Probe:
    """Postal manual, "IP Pools": addresses must be on the host. Where several hosts send, each may
    have its own; a message for an address on none of them waits, and `postal: oldest message`
    fails."""
    return Probe(
        "pool addresses",
        render_script("postal/probes/pool-addresses.sh", ALONE=int(alone)),
        "give the host these addresses, or take them out of the IP pool in Postal's web interface: "
        "messages that got one are not sent",
        # It starts Ruby.
        level=Level.FULL,
    )


def _from_outside(host: Host) -> list[ExternalProbe]:
    """SMTP and web pages at the host's public address."""
    settings = host[PostalSettings]
    address = host[HostSettings].public_ipv4
    checks: list[ExternalProbe] = []
    if address and host.has("postal_smtp"):
        tls = settings.smtp_tls != "off"
        for port in settings.smtp_ports:
            server = SmtpServer(str(address), port, tls=tls, auth=True, plain_auth=True)
            checks += server.probes("`postal logs smtp`")
    if address and host.has("caddy") and host[CaddySettings].tls != "internal":
        names = {settings.web_hostname: ("/login", "Postal", "login page of")}
        names |= dict.fromkeys(settings.track_domains, ("/", "Hello.", "tracking at"))
        for name, (path, text, what) in names.items():
            site = WebSite(name, str(address), host[HealthSettings].ca_file)
            checks.append(site.page(path, text, "deploy caddy again, read `postal logs web`", what))
    return checks


def _worker_ports(host: Host) -> list[int]:
    return worker_health_ports(host[PostalSettings].worker_replicas)


def _web(fleet: Fleet, host: Host) -> list[Probe]:
    settings = host[PostalSettings]
    web = f"http://{web_address(fleet, host)}:{settings.web_port}"
    checks = [
        Probe(
            "login page",
            f"curl -sS -o /dev/null -w 'HTTP %{{http_code}}\\n' --fail --max-time 10 "
            f"-H 'Host: {settings.web_hostname}' {web}/login",
            "read `postal logs web`: the page needs the database",
        ),
        Probe(
            "signing key",
            f"curl -fsS --max-time 10 -H 'Host: {settings.web_hostname}' "
            f"{web}/.well-known/jwks.json | grep -q '\"keys\"' && echo 'Postal can read it'",
            "deploy again: config/signing.key must be an RSA key",
        ),
        Probe(
            "tracking",
            # As Caddy requests it, from whichever host.
            f"curl -fsS --max-time 10 -H 'X-Postal-Track-Host: 1' {web}/ | grep -x 'Hello\\.'",
            "read `postal logs web`: links and images in mail are broken",
        ),
    ]
    if host.has("caddy"):
        checks += [_tracking(name) for name in settings.track_domains]
    return checks


def _tracking(name: str) -> Probe:
    return Probe(
        f"tracking at {name}",
        # The manual's own test; Caddy has a probe of the certificate.
        f"curl -fsSk --max-time 10 --resolve {name}:443:127.0.0.1 https://{name}/ | "
        "grep -x 'Hello\\.'",
        "links in mail are broken: deploy caddy again",
        gate_exempt="Caddy is another component, and its certificate depends on a CA",
    )


def _smtp(host: Host) -> list[Probe]:
    settings = host[PostalSettings]
    checks = [_health("SMTP server", SMTP_HEALTH_PORT, "smtp")]
    for port in settings.smtp_ports:
        checks.append(
            Probe(
                f"SMTP on port {port}",
                f"{_banner(port)} | grep '^220 '",
                "read `postal logs smtp`",
            )
        )
    if settings.smtp_tls != "off":
        checks.append(_starttls(settings))
        checks.append(_certificate(settings))
    return checks


def _banner(port: int) -> str:
    """Shell that prints the greeting of an SMTP server on loopback, and sends QUIT."""
    return (
        f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && read -r -t 5 line <&3 && "
        'echo "$line" && printf "QUIT\\r\\n" >&3\' | tr -d "\\r"'
    )


def _remedy(settings: PostalSettings) -> str:
    if settings.smtp_tls == "given":
        return "give another certificate in postal_smtp_certificate and deploy again"
    return "run `/opt/postal/bin/smtp-certificate install 60` and read its output"


def _starttls(settings: PostalSettings) -> Probe:
    return Probe(
        "STARTTLS",
        render_script(
            "postal/probes/starttls.sh",
            PORT=settings.smtp_ports[0],
            NAME=settings.smtp_name,
            CERTIFICATE=_CERTIFICATE,
        ),
        _remedy(settings),
    )


def _certificate(settings: PostalSettings) -> Probe:
    """What STARTTLS serves. It expires without any change."""
    name, read = settings.smtp_name, f"openssl x509 -noout -in {_CERTIFICATE}"
    return Probe(
        "SMTP certificate",
        f"{read} -checkhost {name} | grep -q 'does match' || "
        f"{{ echo 'the certificate is not for {name}'; exit 1; }}; "
        f"issuer=$({read} -issuer -nameopt multiline | sed -n 's/.*commonName *= //p'); "
        f'echo "by $issuer, $({read} -enddate | sed s/notAfter=/until\\ /)"; '
        f'[ "$issuer" != {name} ] || {{ echo "a self-signed certificate is in use"; exit 80; }}; '
        f"{expiry(read, warn_days=7)}",
        _remedy(settings),
        gate_exempt="it depends on its CA and on time",
    )


def _health(what: str, port: int, process: str) -> Probe:
    return Probe(
        what,
        f"curl -fsS --max-time 5 http://127.0.0.1:{port}/health",
        f"read `postal logs {process}`",
    )
