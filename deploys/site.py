"""Every component on every host: pyinfra INVENTORY deploys/site.py"""

from mailfleet.components import (
    COMPONENTS,
    access,
    base,
    caddy,
    dns_gate,
    docker,
    email_api,
    mailserver,
    mariadb,
    postal,
    preflight,
)
from mailfleet.converge.plan import plan

plan(COMPONENTS)
# One line each, in the order of COMPONENTS: pyinfra tells operations apart by their line.
preflight.deploy()
base.deploy()
access.deploy()
docker.deploy()
mariadb.deploy()
caddy.deploy()
postal.deploy()
email_api.deploy()
mailserver.deploy()
# What the world sees of it, as a report.
dns_gate.report()
