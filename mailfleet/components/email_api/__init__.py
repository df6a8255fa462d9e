"""email_api: forwards what the mailserver takes in; with a database and a journal of its own."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pyinfra import host as context_host
from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.email_api.aliases import CLIENT, FACT, aliases
from mailfleet.components.email_api.certificate import certificate
from mailfleet.components.email_api.database import FACT as DATABASE
from mailfleet.components.email_api.database import LOOK, database_password
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.database import ROOT_BY_SOCKET
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here
from mailfleet.converge.services import services
from mailfleet.dns.keys import key_record
from mailfleet.dns.record import Record, Severity
from mailfleet.health.certificate import expiry
from mailfleet.health.gates import gates_of
from mailfleet.health.probe import Probe
from mailfleet.health.relay import Tls, relay_probe
from mailfleet.secrets import Secret
from mailfleet.settings.email_api import EmailApiSettings
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.ports import EMAIL_API_NETWORK, email_api_clients
from mailfleet.templates import ROOT, render

__all__ = ["NAME", "ROLES", "bundle", "deploy", "probes", "records"]

NAME = "email_api"
ROLES = ("email_api",)

DIRECTORY = "/opt/email-api"
API_UID = 10001
"""User of the image (files/email-api/Dockerfile)."""
DATABASE_UID = 999
"""User `mysql` of the mariadb image, as which its entrypoint reads the password."""

_COMPOSE = f"{DIRECTORY}/compose.yaml"
_INIT = f"{DIRECTORY}/init"
_SECRETS = f"{DIRECTORY}/secrets"
_BUILD = f"{DIRECTORY}/build"
_SOURCE = ROOT / "files/email-api"
_BUILT_FROM = ("Dockerfile", "requirements-image.lock", "email_api/**/*.py", "email_api/**/*.mako")

_CERTIFICATE = f"openssl x509 -in {_SECRETS}/certificate.pem -noout"

# Fails unless it would forward a message now, and tells what it lacks.
_READY = (
    "docker exec email-api python -c 'import http.client as h, ssl, sys; "
    'c = h.HTTPSConnection("127.0.0.1", timeout=20, context=ssl._create_unverified_context()); '
    'c.request("GET", "/health/ready"); a = c.getresponse(); '
    "sys.stdout.write(a.read().decode()); sys.exit(a.status != 200)'"
)


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host.email_api
    secrets = _secrets(fleet, host)
    source = [] if settings.image else _source()
    image = f"{settings.image}:{settings.version}" if settings.image else _built_image(source)
    compose = render(
        "email_api/compose.yaml",
        settings=settings,
        mariadb=host.mariadb,
        image=image,
        server_name=host.host.fqdn,
        # Where a key is given there is one mailserver (settings/email_api_rules.py).
        mailserver=next((one.mailserver.hostname for one in fleet.with_role("mailserver")), None),
        network=EMAIL_API_NETWORK,
        publish=host.host.private_ipv4 if email_api_clients(fleet, host) else None,
    )
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(_INIT, owned=True),
            Directory(_SECRETS, mode=0o750, gid=API_UID, owned=True),
            *(Directory(path, owned=True) for path in _directories(source)),
        ),
        files=(
            File(_COMPOSE, compose.content),
            File(f"{_INIT}/root-by-socket.sql", ROOT_BY_SOCKET),
            *secrets,
            *source,
        ),
        checks=(
            *((_build_check(image),) if source else ()),
            # With the image there is nothing left to pull.
            *compose_checks(_COMPOSE, image, {}),
        ),
        project=Project(
            "email-api",
            DIRECTORY,
            services=("api", "database", "valkey"),
            mounted=tuple(item.path for item in secrets),
            wait_seconds=240,
        ),
        gates=gates_of(probes(fleet, host)),
        facts={FACT: f"{CLIENT} get </dev/null 2>/dev/null", DATABASE: LOOK},
    )


def _secrets(fleet: Fleet, host: Host) -> list[File]:
    settings = host.email_api
    password = fleet.value(settings.database_password).reveal()
    keys = [settings.psk, *((settings.former_psk,) if settings.former_psk else ())]
    tls_key = fleet.value(settings.tls_key)
    contents = {
        "psk": "\n".join(fleet.value(ref).reveal() for ref in keys),
        "admin_token": fleet.value(settings.admin_token).reveal(),
        "database_password": password,
        "database_url": f"mysql+asyncmy://email_api:{password}@database/email_api",
        "certificate.pem": certificate(fleet.value(settings.authority), tls_key),
        "key.pem": tls_key.reveal(),
    }
    if settings.relay_user:
        contents["relay_password"] = fleet.value(settings.relay_password).reveal()
    if settings.srs_domain:
        contents["srs_secret"] = fleet.value(settings.srs_secret).reveal()
    if settings.arc_key:
        contents["arc_key"] = fleet.value(settings.arc_key).reveal()
    if settings.relay_ca_file:
        contents["relay_ca.pem"] = Path(settings.relay_ca_file).read_text(encoding="ascii")
    return [_secret_file(name, Secret(content)) for name, content in contents.items()]


def _secret_file(name: str, content: Secret) -> File:
    text = content.reveal().encode()
    owner = DATABASE_UID if name == "database_password" else API_UID
    return File(f"{_SECRETS}/{name}", text, mode=0o400, uid=owner, gid=owner, secret=True)


def _source() -> list[File]:
    """What the image is built from on the host."""
    found = sorted({path for pattern in _BUILT_FROM for path in _SOURCE.glob(pattern)})
    return [File(f"{_BUILD}/{path.relative_to(_SOURCE)}", path.read_bytes()) for path in found]


def _directories(source: list[File]) -> list[str]:
    return sorted({str(Path(item.path).parent) for item in source})


def _built_image(source: list[File]) -> str:
    """Named by its content: another source is another image."""
    digest = hashlib.sha256()
    for item in source:
        digest.update(f"{item.path} {item.sha256}\n".encode())
    return f"mailfleet/email-api:{digest.hexdigest()[:16]}"


def _build_check(image: str) -> Check:
    build = f"docker build --quiet --tag {image} $stage{_BUILD}"
    return Check(
        (_COMPOSE,),
        f"docker image inspect {image} >/dev/null 2>&1 || {build} >/dev/null",
        f"docker build of {image}",
    )


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    return (
        Probe(
            "database",
            f'digest=$({CLIENT} get) && echo "the API has its aliases, $digest"',
            "read `docker compose logs` in /opt/email-api",
        ),
        Probe(
            "ready",
            _READY,
            "see to the part that is not ok: `docker compose logs` in /opt/email-api, or the relay",
            no_gate="the relay is elsewhere",
        ),
        Probe(
            "certificate",
            f"{_CERTIFICATE} -enddate | sed 's/notAfter=/valid until /'; "
            f"{expiry(_CERTIFICATE, warn_days=30)}",
            "rotate email_api/authority, then deploy the API and the mailserver",
            no_gate="it expires without any change",
        ),
        *_relay(host.email_api),
    )


def _relay(settings: EmailApiSettings) -> Iterator[Probe]:
    if settings.relay_host:
        tls = settings.relay_tls or _TLS_OF_PORTS.get(settings.relay_port, "starttls")
        # A private authority is known in the API's container only.
        verify = tls != "none" and not settings.relay_ca_file
        yield relay_probe(settings.relay_host, settings.relay_port, tls, verify)


_TLS_OF_PORTS: dict[int, Tls] = {25: "none", 465: "tls"}
"""What a relay must offer on a port; on 25 TLS is taken where it is offered."""


def records(fleet: Fleet) -> list[Record]:
    """The key of the seal; the mailserver has the others. Raises SettingsError and SecretsError."""
    return [
        Record(
            f"{settings.arc_selector}._domainkey.{settings.sender_domain}",
            "TXT",
            (key_record(fleet, settings.arc_key),),
            "ARC key of forwarded mail",
            "Receivers cannot verify the seal, and judge forwarded mail as if it had none.",
            Severity.REQUIRED,
            "RFC 8617 section 4.1.3",
        )
        for host in fleet.with_role("email_api")
        if (settings := host.email_api).arc_key
    ]


@pyinfra_deploy("email_api")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        fleet = fleet_here()
        settings = fleet.hosts[context_host.name].email_api
        password = fleet.value(settings.database_password)
        files(name="files", bundle=wanted)
        # Before the API uses it.
        database_password(name="database password", component=NAME, password=password)
        services(name="services", bundle=wanted)
        aliases(name="aliases", component=NAME, wanted=settings.aliases)
