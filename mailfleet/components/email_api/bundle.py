"""email_api: forwards what the mailserver takes in; with a database and a journal of its own."""

import hashlib
from pathlib import Path

from mailfleet.checks.gates import gates_of
from mailfleet.components.email_api.aliases import CLIENT, FACT
from mailfleet.components.email_api.database import FACT as DATABASE
from mailfleet.components.email_api.database import LOOK
from mailfleet.components.email_api.issue_certificate import certificate
from mailfleet.components.email_api.ports import email_api_clients
from mailfleet.components.email_api.probes import DIRECTORY, SECRETS, probes
from mailfleet.components.email_api.settings import EMAIL_API_NETWORK, EmailApiSettings
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.components.mariadb.settings import MariadbSettings
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.database import ROOT_BY_SOCKET
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.secrets import Secret
from mailfleet.templates import ROOT, render

NAME = "email_api"

API_UID = 10001
"""User of the image (files/email-api/Dockerfile)."""
DATABASE_UID = 999
"""User `mysql` of the mariadb image, as which its entrypoint reads the password."""

_COMPOSE = f"{DIRECTORY}/compose.yaml"
_INIT = f"{DIRECTORY}/init"
_BUILD = f"{DIRECTORY}/build"
_SOURCE = ROOT / "files/email-api"
_BUILT_FROM = ("Dockerfile", "requirements-image.lock", "email_api/**/*.py", "email_api/**/*.mako")


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[EmailApiSettings]
    secrets = _secrets(fleet, host)
    source = [] if settings.image else _source()
    image = f"{settings.image}:{settings.version}" if settings.image else _built_image(source)
    compose = render(
        "email_api/compose.yaml",
        settings=settings,
        mariadb=host[MariadbSettings],
        image=image,
        server_name=host.fqdn,
        # Where a key is given there is one mailserver (settings/email_api_rules.py).
        mailserver=next(
            (one[MailserverSettings].hostname for one in fleet.with_role("mailserver")), None
        ),
        network=EMAIL_API_NETWORK,
        publish=host[HostSettings].private_ipv4 if email_api_clients(fleet, host) else None,
    )
    # With the image built there is nothing left to pull.
    checks = [_build_check(image)] if source else []
    checks += compose_checks(_COMPOSE, image, {})
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(_INIT, owned=True),
            Directory(SECRETS, mode=0o750, gid=API_UID, owned=True),
            *(Directory(path, owned=True) for path in _directories(source)),
        ),
        files=(
            File(_COMPOSE, compose.content),
            File(f"{_INIT}/root-by-socket.sql", ROOT_BY_SOCKET),
            *secrets,
            *source,
        ),
        checks=tuple(checks),
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
    settings = host[EmailApiSettings]
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
    return File(f"{SECRETS}/{name}", text, mode=0o400, uid=owner, gid=owner, secret=True)


def _source() -> list[File]:
    """What the image is built from on the host."""
    sources = sorted({path for pattern in _BUILT_FROM for path in _SOURCE.glob(pattern)})
    return [File(f"{_BUILD}/{path.relative_to(_SOURCE)}", path.read_bytes()) for path in sources]


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
