"""The components: the only list of them."""

from mailfleet.components.access import bundle as access_bundle
from mailfleet.components.access import deploy as access_deploy
from mailfleet.components.access import drift as access_drift
from mailfleet.components.access import ports as access_ports
from mailfleet.components.access import probes as access_probes
from mailfleet.components.access.settings import AccessSettings
from mailfleet.components.base import bundle as base_bundle
from mailfleet.components.base import deploy as base_deploy
from mailfleet.components.base import drift as base_drift
from mailfleet.components.base import probes as base_probes
from mailfleet.components.base import records as base_records
from mailfleet.components.base.settings import BaseSettings
from mailfleet.components.caddy import bundle as caddy_bundle
from mailfleet.components.caddy import drift as caddy_drift
from mailfleet.components.caddy import ports as caddy_ports
from mailfleet.components.caddy import probes as caddy_probes
from mailfleet.components.caddy import records as caddy_records
from mailfleet.components.caddy import rules as caddy_rules
from mailfleet.components.caddy import sites as caddy_sites
from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.components.component import Component
from mailfleet.components.dns import rules as dns_rules
from mailfleet.components.docker import bundle as docker_bundle
from mailfleet.components.docker import deploy as docker_deploy
from mailfleet.components.docker import drift as docker_drift
from mailfleet.components.docker import probes as docker_probes
from mailfleet.components.docker import rules as docker_rules
from mailfleet.components.docker.settings import DockerSettings
from mailfleet.components.email_api import bundle as email_api_bundle
from mailfleet.components.email_api import deploy as email_api_deploy
from mailfleet.components.email_api import drift as email_api_drift
from mailfleet.components.email_api import ports as email_api_ports
from mailfleet.components.email_api import probes as email_api_probes
from mailfleet.components.email_api import records as email_api_records
from mailfleet.components.email_api import rules as email_api_rules
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.health import rules as health_rules
from mailfleet.components.health.settings import HealthSettings
from mailfleet.components.mailserver import bundle as mailserver_bundle
from mailfleet.components.mailserver import deploy as mailserver_deploy
from mailfleet.components.mailserver import drift as mailserver_drift
from mailfleet.components.mailserver import mx as mailserver_mx
from mailfleet.components.mailserver import ports as mailserver_ports
from mailfleet.components.mailserver import probes as mailserver_probes
from mailfleet.components.mailserver import records as mailserver_records
from mailfleet.components.mailserver import rules as mailserver_rules
from mailfleet.components.mailserver import sites as mailserver_sites
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.components.mariadb import bundle as mariadb_bundle
from mailfleet.components.mariadb import deploy as mariadb_deploy
from mailfleet.components.mariadb import drift as mariadb_drift
from mailfleet.components.mariadb import ports as mariadb_ports
from mailfleet.components.mariadb import probes as mariadb_probes
from mailfleet.components.mariadb import rules as mariadb_rules
from mailfleet.components.mariadb.settings import MariadbSettings
from mailfleet.components.node_exporter import bundle as node_exporter_bundle
from mailfleet.components.node_exporter import ports as node_exporter_ports
from mailfleet.components.node_exporter import probes as node_exporter_probes
from mailfleet.components.node_exporter.settings import NodeExporterSettings
from mailfleet.components.postal import bundle as postal_bundle
from mailfleet.components.postal import deploy as postal_deploy
from mailfleet.components.postal import drift as postal_drift
from mailfleet.components.postal import mx as postal_mx
from mailfleet.components.postal import ports as postal_ports
from mailfleet.components.postal import probes as postal_probes
from mailfleet.components.postal import records as postal_records
from mailfleet.components.postal import rules as postal_rules
from mailfleet.components.postal import sites as postal_sites
from mailfleet.components.postal.settings import POSTAL_PROCESSES, PostalSettings
from mailfleet.components.preflight import bundle as preflight_bundle
from mailfleet.components.preflight import deploy as preflight_deploy
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.converge.deploy import deploy_of
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.definition import CORE, Schema

# Official images; those for further machines are not ours to promise.
_EVERY_MACHINE = ("x86_64", "aarch64")

HEALTH = Component(
    name="health",
    title="what health checks need to know",
    settings=HealthSettings,
    rules=health_rules.RULES,
)

DNS = Component(
    name="dns",
    title="zones, providers, policies of domains",
    settings=DnsSettings,
    rules=dns_rules.RULES,
)

PREFLIGHT = Component(
    name="preflight",
    title="what a host must offer before anything is changed on it",
    settings=PreflightSettings,
    bundle=preflight_bundle.bundle,
    deploy=preflight_deploy.deploy,
)

BASE = Component(
    name="base",
    title="host name, time, kernel settings, updates, swap, the verifier",
    introduces={"server": "base and Docker only"},
    settings=BaseSettings,
    bundle=base_bundle.bundle,
    deploy=base_deploy.deploy,
    probes=base_probes.probes,
    drift=base_drift.drift,
    records=base_records.records,
)

ACCESS = Component(
    name="access",
    title="SSH daemon and firewall",
    settings=AccessSettings,
    ports=access_ports.ports,
    bundle=access_bundle.bundle,
    deploy=access_deploy.deploy,
    probes=access_probes.probes,
    drift=access_drift.drift,
)

DOCKER = Component(
    name="docker",
    title="the container engine",
    settings=DockerSettings,
    rules=docker_rules.RULES,
    bundle=docker_bundle.bundle,
    deploy=docker_deploy.deploy,
    probes=docker_probes.probes,
    drift=docker_drift.drift,
)

MARIADB = Component(
    name="mariadb",
    title="Postal's database server",
    introduces={"database": "MariaDB"},
    roles=frozenset({"database"}),
    image="MariaDB",
    machines=_EVERY_MACHINE,
    settings=MariadbSettings,
    rules=mariadb_rules.RULES,
    ports=mariadb_ports.ports,
    bundle=mariadb_bundle.bundle,
    deploy=mariadb_deploy.deploy,
    probes=mariadb_probes.probes,
    drift=mariadb_drift.drift,
)

CADDY = Component(
    name="caddy",
    title="TLS, redirects, proxying, MTA-STS policies",
    introduces={"caddy": "the web server"},
    roles=frozenset({"caddy"}),
    image="Caddy",
    machines=_EVERY_MACHINE,
    settings=CaddySettings,
    rules=caddy_rules.RULES,
    ports=caddy_ports.ports,
    sites=caddy_sites.sites,
    bundle=caddy_bundle.bundle,
    deploy=deploy_of("caddy"),
    probes=caddy_probes.probes,
    drift=caddy_drift.drift,
    records=caddy_records.records,
)

POSTAL = Component(
    name="postal",
    title="the sending platform",
    introduces={
        "postal": "all three Postal processes",
        "postal_web": "Postal's web process",
        "postal_smtp": "Postal's SMTP server",
        "postal_worker": "Postal's workers",
    },
    implies={"postal": POSTAL_PROCESSES},
    # Its databases are on the database host.
    roles=POSTAL_PROCESSES | {"database"},
    configured_on=POSTAL_PROCESSES,
    image="Postal",
    # github.com/postalserver/postal/issues/2793
    machines=("x86_64",),
    settings=PostalSettings,
    rules=postal_rules.RULES,
    secret_rules=(postal_rules.secret_problems,),
    ports=postal_ports.ports,
    sites=postal_sites.sites,
    mx=postal_mx.mx,
    certificates=postal_mx.certificates,
    bundle=postal_bundle.bundle,
    deploy=postal_deploy.deploy,
    probes=postal_probes.probes,
    drift=postal_drift.drift,
    records=postal_records.records,
)

EMAIL_API = Component(
    name="email_api",
    title="forwards what the mailserver receives to aliases",
    introduces={"email_api": "the e-mail API, to which the mailserver hands mail"},
    roles=frozenset({"email_api"}),
    # The mailserver renders its recipients from the aliases, and proves itself by the key.
    configured_on=frozenset({"email_api", "mailserver"}),
    settings=EmailApiSettings,
    rules=email_api_rules.RULES,
    ports=email_api_ports.ports,
    bundle=email_api_bundle.bundle,
    deploy=email_api_deploy.deploy,
    probes=email_api_probes.probes,
    drift=email_api_drift.drift,
    records=email_api_records.records,
)

MAILSERVER = Component(
    name="mailserver",
    title="SMTP ingress: docker-mailserver",
    introduces={"mailserver": "SMTP ingress"},
    roles=frozenset({"mailserver"}),
    image="docker-mailserver",
    machines=_EVERY_MACHINE,
    settings=MailserverSettings,
    rules=mailserver_rules.RULES,
    secret_rules=(mailserver_rules.secret_problems,),
    ports=mailserver_ports.ports,
    sites=mailserver_sites.sites,
    mx=mailserver_mx.mx,
    certificates=mailserver_mx.certificates,
    bundle=mailserver_bundle.bundle,
    deploy=mailserver_deploy.deploy,
    probes=mailserver_probes.probes,
    drift=mailserver_drift.drift,
    records=mailserver_records.records,
)

NODE_EXPORTER = Component(
    name="node_exporter",
    title="metrics of a host for Prometheus",
    introduces={"metrics": "Prometheus's node exporter"},
    roles=frozenset({"metrics"}),
    settings=NodeExporterSettings,
    ports=node_exporter_ports.ports,
    bundle=node_exporter_bundle.bundle,
    deploy=deploy_of("node_exporter"),
    probes=node_exporter_probes.probes,
)

COMPONENTS: tuple[Component, ...] = (
    HEALTH,
    DNS,
    PREFLIGHT,
    BASE,
    # The firewall before Docker, so that nothing is ever published past it.
    ACCESS,
    DOCKER,
    NODE_EXPORTER,
    MARIADB,
    # Before Postal and the mailserver: both start with the certificate that Caddy obtains.
    CADDY,
    POSTAL,
    # Before the mailserver, which joins its network.
    EMAIL_API,
    MAILSERVER,
)
"""In deploy order."""

SCHEMA = Schema((*CORE, *COMPONENTS))
"""Every role and setting there is."""
