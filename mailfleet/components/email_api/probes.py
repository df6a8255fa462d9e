"""Health probes of the e-mail API: database, readiness, certificate, relay."""

from collections.abc import Iterator

from mailfleet.checks.certificate import expiry
from mailfleet.checks.probe import Probe
from mailfleet.checks.relay import Tls, relay_probe
from mailfleet.components.email_api.aliases import CLIENT
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.fleet.fleet import Fleet, Host

DIRECTORY = "/opt/email-api"
SECRETS = f"{DIRECTORY}/secrets"

_CERTIFICATE = f"openssl x509 -in {SECRETS}/certificate.pem -noout"

# Fails unless the API can forward a message now, and prints what is missing.
_READY = (
    "docker exec email-api python -c 'import http.client as h, ssl, sys; "
    'c = h.HTTPSConnection("127.0.0.1", timeout=20, context=ssl._create_unverified_context()); '
    'c.request("GET", "/health/ready"); a = c.getresponse(); '
    "sys.stdout.write(a.read().decode()); sys.exit(a.status != 200)'"
)


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """Health probes of this component, run on the host."""
    return (
        Probe(
            "database",
            f'digest=$({CLIENT} get) && echo "the API has its aliases, $digest"',
            "read `docker compose logs` in /opt/email-api",
        ),
        Probe(
            "ready",
            _READY,
            "repair the part that is not ok: check the relay, and `docker compose logs` in "
            "/opt/email-api",
            gate_exempt="the relay is elsewhere",
        ),
        Probe(
            "certificate",
            f"{_CERTIFICATE} -enddate | sed 's/notAfter=/valid until /'; "
            f"{expiry(_CERTIFICATE, warn_days=30)}",
            "rotate email_api/authority, then deploy the API and the mailserver",
            gate_exempt="it expires without any change",
        ),
        *_relay(host[EmailApiSettings]),
    )


def _relay(settings: EmailApiSettings) -> Iterator[Probe]:
    if settings.relay_host:
        tls = settings.relay_tls or _TLS_OF_PORTS.get(settings.relay_port, "starttls")
        # A private authority is known in the API's container only.
        verify = tls != "none" and not settings.relay_ca_file
        yield relay_probe(settings.relay_host, settings.relay_port, tls, verify)


_TLS_OF_PORTS: dict[int, Tls] = {25: "none", 465: "tls"}
"""What a relay must offer on a port; on 25 TLS is taken where it is offered."""
