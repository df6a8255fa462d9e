"""mailserver: docker-mailserver, which takes mail in and hands it to the e-mail API."""

from mailfleet.checks.gates import gates_of
from mailfleet.components.email_api.settings import EMAIL_API_NETWORK
from mailfleet.components.mailserver.configuration import CONFIG, DIRECTORY, TLS, image_files
from mailfleet.components.mailserver.ports import MAILSERVER_PORTS
from mailfleet.components.mailserver.probes import probes
from mailfleet.components.mailserver.rules import api_host
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.converge.bundle import (
    Bundle,
    Check,
    Directory,
    File,
    Project,
    StateCheck,
    Unit,
)
from mailfleet.converge.compose import compose_checks
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.templates import render, shipped

NAME = "mailserver"

_COMPOSE = f"{DIRECTORY}/compose.yaml"
_CHECK = f"{DIRECTORY}/bin/check-config"
_CERTIFICATE_SCRIPT = f"{DIRECTORY}/bin/certificate"
_CERTIFICATE_SERVICE = "/etc/systemd/system/mailserver-certificate.service"
_CERTIFICATE_TIMER = "/etc/systemd/system/mailserver-certificate.timer"

# Once more what the image does when it creates a container, then new processes of Postfix one by
# one: nothing in the queue is touched.
_RELOAD = (
    "docker exec mailserver bash /tmp/docker-mailserver/user-patches.sh && "
    "docker exec mailserver postfix reload"
)


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[MailserverSettings]
    config = image_files(fleet, host)
    compose = render(
        "mailserver/compose.yaml",
        settings=settings,
        ports=MAILSERVER_PORTS,
        api_address=api_address(fleet, host),
        network=EMAIL_API_NETWORK,
    )
    absent = list(config.absent)
    conditions: list[StateCheck] = []
    units: list[Unit] = []
    if settings.tls == "caddy":
        conditions.append(_certificate_condition())
        units.append(Unit("mailserver-certificate.timer", depends_on=(_CERTIFICATE_TIMER,)))
    else:
        absent += [_CERTIFICATE_TIMER, _CERTIFICATE_SERVICE]
    image = f"{settings.image}:{settings.version}"
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(f"{DIRECTORY}/bin", owned=True),
            # The image writes beside these files: a lock, for one.
            Directory(CONFIG),
            Directory(f"{CONFIG}/handoff", owned=True),
            Directory(TLS, mode=0o700),
        ),
        files=(
            File(_COMPOSE, compose.content),
            File(_CHECK, shipped("mailserver/check-config"), mode=0o755),
            *config.all,
            *_certificate_files(fleet, host),
        ),
        absent=tuple(absent),
        checks=(
            *compose_checks(_COMPOSE, image, {}),
            Check(
                (_COMPOSE, *config.checked),
                f"docker run --rm --network none --hostname {settings.hostname} "
                f"-v $stage{DIRECTORY}/bin:/check:ro -v $stage{CONFIG}:/tmp/docker-mailserver:ro "
                f"--entrypoint bash {image} /check/check-config",
                "Postfix of the image",
            ),
        ),
        conditions=tuple(conditions),
        units=tuple(units),
        project=Project(
            "mailserver",
            DIRECTORY,
            services=("mailserver",),
            mounted=tuple(config.at_creation),
            reload=_RELOAD,
            reload_on=tuple(config.live),
            wait_seconds=300,
        ),
        gates=gates_of(probes(fleet, host)),
    )


def api_address(fleet: Fleet, host: Host) -> str | None:
    """Where the API is reached; None: in a Docker network of this host."""
    if address := host[MailserverSettings].api_address:
        return address
    api = api_host(fleet)
    return None if api is None or api.name == host.name else str(api[HostSettings].private_ipv4)


def _certificate_files(fleet: Fleet, host: Host) -> list[File]:
    settings = host[MailserverSettings]
    if settings.tls == "given":
        return [
            File(f"{TLS}/{name}", fleet.value(ref).reveal().encode(), mode=0o600, secret=True)
            for name, ref in (
                ("certificate.pem", settings.certificate),
                ("key.pem", settings.certificate_key),
            )
        ]
    script = render("mailserver/certificate", name=settings.hostname)
    return [
        File(_CERTIFICATE_SCRIPT, script.content, mode=0o755),
        File(_CERTIFICATE_SERVICE, shipped("mailserver/mailserver-certificate.service")),
        File(_CERTIFICATE_TIMER, shipped("mailserver/mailserver-certificate.timer")),
    ]


def _certificate_condition() -> StateCheck:
    return StateCheck(
        "certificate",
        f"{_CERTIFICATE_SCRIPT} status 2>/dev/null || echo absent",
        "current",
        f"{_CERTIFICATE_SCRIPT} install 60",
    )
