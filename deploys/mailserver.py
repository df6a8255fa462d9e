"""The mailserver with everything below it: pyinfra INVENTORY deploys/mailserver.py"""

from mailfleet.components import (
    access,
    base,
    caddy,
    dns_gate,
    docker,
    email_api,
    mailserver,
    preflight,
)
from mailfleet.converge.plan import plan

# Hosts that do not take mail in are left alone.
plan([preflight, base, access, docker, caddy, email_api, mailserver], roles=mailserver.ROLES)
preflight.deploy()
base.deploy()
# The firewall before Docker, so that nothing is ever published past it.
access.deploy()
docker.deploy()
# Before the mailserver, which starts with the certificate that Caddy obtains.
caddy.deploy()
# Where it is on the same host: the mailserver joins its network.
email_api.deploy()
mailserver.deploy()
# What the world sees of it, as a report.
dns_gate.report()
