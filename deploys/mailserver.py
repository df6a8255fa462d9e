"""The mailserver with everything below it: pyinfra INVENTORY deploys/mailserver.py"""

from mailfleet.components.registry import (
    ACCESS,
    BASE,
    CADDY,
    DOCKER,
    EMAIL_API,
    MAILSERVER,
    PREFLIGHT,
)
from mailfleet.deploying import dns_gate
from mailfleet.deploying.start import plan

# Hosts that do not take mail in are left alone.
plan([PREFLIGHT, BASE, ACCESS, DOCKER, CADDY, EMAIL_API, MAILSERVER], only=MAILSERVER.on)
PREFLIGHT.deploy()
BASE.deploy()
# The firewall before Docker, so that nothing is ever published past it.
ACCESS.deploy()
DOCKER.deploy()
# Before the mailserver, which starts with the certificate that Caddy obtains.
CADDY.deploy()
# Where it is on the same host: the mailserver joins its network.
EMAIL_API.deploy()
MAILSERVER.deploy()
# What the world sees of it, as a report.
dns_gate.report()
