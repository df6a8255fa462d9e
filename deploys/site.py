"""Every component on every host: pyinfra INVENTORY deploys/site.py"""

from mailfleet.components.registry import (
    ACCESS,
    BASE,
    CADDY,
    COMPONENTS,
    DOCKER,
    EMAIL_API,
    MAILSERVER,
    MARIADB,
    NODE_EXPORTER,
    POSTAL,
    PREFLIGHT,
)
from mailfleet.deploying import dns_gate
from mailfleet.deploying.start import plan

plan(COMPONENTS)
# One line each, in the order of COMPONENTS: pyinfra tells operations apart by their line.
PREFLIGHT.deploy()
BASE.deploy()
ACCESS.deploy()
DOCKER.deploy()
NODE_EXPORTER.deploy()
MARIADB.deploy()
CADDY.deploy()
POSTAL.deploy()
EMAIL_API.deploy()
MAILSERVER.deploy()
# What the world sees of it, as a report.
dns_gate.report()
