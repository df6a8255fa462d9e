"""postal: the sending platform, as web, SMTP and worker processes."""

from mailfleet.checks.gates import gates_of
from mailfleet.components.mariadb.settings import DATABASE_NETWORK
from mailfleet.components.postal.database import DATABASE, database_facts
from mailfleet.components.postal.ports import SMTP_HEALTH_PORT, web_address, worker_health_ports
from mailfleet.components.postal.probes import TLS, probes
from mailfleet.components.postal.settings import POSTAL_PROCESSES, PostalSettings
from mailfleet.components.postal.yml import render as render_configuration
from mailfleet.components.postal.yml.configuration import configuration, gateway
from mailfleet.converge.bundle import Bundle, Directory, File, Project, StateCheck, Unit
from mailfleet.converge.compose import compose_checks
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render, shipped

NAME = "postal"

DIRECTORY = "/opt/postal"
POSTAL_UID = 999
"""User `postal` of the image."""

_COMPOSE = f"{DIRECTORY}/compose.yaml"
_CONFIG = f"{DIRECTORY}/config/postal.yml"
_SIGNING_KEY = f"{DIRECTORY}/config/signing.key"
_CERTIFICATE_SCRIPT = f"{DIRECTORY}/bin/smtp-certificate"
_CERTIFICATE_SERVICE = "/etc/systemd/system/postal-certificate.service"
_CERTIFICATE_TIMER = "/etc/systemd/system/postal-certificate.timer"
_WRAPPER = "/usr/local/bin/postal"


def bundle(fleet: Fleet, host: Host) -> Bundle:
    facts = {DATABASE: database_facts(fleet[PostalSettings])} if host.has("database") else {}
    if not host.has(*POSTAL_PROCESSES):
        return Bundle(NAME, facts=facts)
    settings = host[PostalSettings]
    config = _owned(_CONFIG, render_configuration(configuration(fleet, host)))
    key = _owned(_SIGNING_KEY, fleet.value(settings.signing_key).reveal())
    compose = _compose(fleet, host)
    absent: list[str] = []
    conditions: list[StateCheck] = []
    units: list[Unit] = []
    if host.has("postal_smtp") and settings.smtp_tls == "caddy":
        conditions.append(_certificate_condition())
        units.append(Unit("postal-certificate.timer", depends_on=(_CERTIFICATE_TIMER,)))
    else:
        absent += [_CERTIFICATE_TIMER, _CERTIFICATE_SERVICE]
    if _needs_low_port(host):
        conditions.append(_low_port_condition(settings.smtp_ports[0]))
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(f"{DIRECTORY}/bin", owned=True),
            Directory(f"{DIRECTORY}/config", mode=0o750, gid=POSTAL_UID),
            Directory(TLS, mode=0o750, gid=POSTAL_UID),
        ),
        files=(
            compose,
            config,
            key,
            File(_WRAPPER, shipped("postal/postal"), mode=0o755),
            *_certificate_files(fleet, host),
        ),
        absent=tuple(absent),
        checks=compose_checks(_COMPOSE, f"{settings.image}:{settings.version}", {}),
        conditions=tuple(conditions),
        units=tuple(units),
        project=Project(
            "postal",
            DIRECTORY,
            services=tuple(_services(host)),
            mounted=(_CONFIG, _SIGNING_KEY, *_given(host)),
            wait_seconds=120,
        ),
        gates=gates_of(probes(fleet, host)),
        facts=facts,
    )


def _owned(path: str, text: str) -> File:
    return File(path, text.encode(), mode=0o400, uid=POSTAL_UID, gid=POSTAL_UID, secret=True)


def _services(host: Host) -> list[str]:
    names = [
        role.removeprefix("postal_") for role in ("postal_web", "postal_smtp") if host.has(role)
    ]
    if host.has("postal_worker"):
        names += worker_names(host[PostalSettings].worker_replicas)
    return names


def worker_names(replicas: int) -> list[str]:
    """`worker`, `worker2` ...: services of their own, since Postal tells workers apart by host
    name and two with one name would both run the scheduled tasks."""
    return ["worker", *(f"worker{number}" for number in range(2, replicas + 1))]


def _compose(fleet: Fleet, host: Host) -> File:
    settings = host[PostalSettings]
    workers = zip(
        worker_names(settings.worker_replicas),
        worker_health_ports(settings.worker_replicas),
        strict=True,
    )
    text = render(
        "postal/compose.yaml",
        settings=settings,
        host=host,
        bridge=settings.networking == "bridge",
        local_database=host.has("database"),
        network=DATABASE_NETWORK,
        web_address=web_address(fleet, host),
        smtp_health_port=SMTP_HEALTH_PORT,
        workers=list(workers),
        gateway=gateway(settings),
    )
    return File(_COMPOSE, text.content, secret=text.secret)


def _given(host: Host) -> tuple[str, ...]:
    given = host.has("postal_smtp") and host[PostalSettings].smtp_tls == "given"
    return (f"{TLS}/smtp.cert", f"{TLS}/smtp.key") if given else ()


def _certificate_files(fleet: Fleet, host: Host) -> list[File]:
    settings = host[PostalSettings]
    if not host.has("postal_smtp") or settings.smtp_tls == "off":
        return []
    if settings.smtp_tls == "given":
        return [
            _owned(f"{TLS}/smtp.cert", fleet.value(settings.smtp_certificate).reveal()),
            _owned(f"{TLS}/smtp.key", fleet.value(settings.smtp_certificate_key).reveal()),
        ]
    script = render(
        "postal/smtp-certificate",
        name=settings.smtp_name,
        port=settings.smtp_ports[0],
        uid=POSTAL_UID,
    )
    return [
        File(_CERTIFICATE_SCRIPT, script.content, mode=0o755),
        File(_CERTIFICATE_SERVICE, shipped("postal/postal-certificate.service")),
        File(_CERTIFICATE_TIMER, shipped("postal/postal-certificate.timer")),
    ]


def _certificate_condition() -> StateCheck:
    return StateCheck(
        "SMTP certificate",
        f"{_CERTIFICATE_SCRIPT} status 2>/dev/null || echo absent",
        "current",
        f"{_CERTIFICATE_SCRIPT} install 60",
    )


def _needs_low_port(host: Host) -> bool:
    return host.has("postal_smtp") and host[PostalSettings].networking == "host"


def _low_port_condition(port: int) -> StateCheck:
    """On the host's network and without new privileges, uid 999 may only bind ports that the
    kernel calls unprivileged (ip-sysctl, ip_unprivileged_port_start)."""
    name, file = "net.ipv4.ip_unprivileged_port_start", "/etc/sysctl.d/61-postal.conf"
    start = min(port, 1024)
    return StateCheck(
        "SMTP port",
        f"sysctl -n {name}; sed -n 's/.*= //p' {file} 2>/dev/null",
        f"{start} {start}",
        f"echo '{name} = {start}' >{file} && sysctl -q -p {file}",
    )
