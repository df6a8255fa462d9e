"""Postal with everything below it: pyinfra INVENTORY deploys/postal.py"""

from mailfleet.components.postal.ports import has_part_in_postal
from mailfleet.components.registry import ACCESS, BASE, CADDY, DOCKER, MARIADB, POSTAL, PREFLIGHT
from mailfleet.deploying import dns_gate
from mailfleet.deploying.start import plan

# Hosts that have no part in Postal are left alone.
plan(
    [PREFLIGHT, BASE, ACCESS, DOCKER, MARIADB, CADDY, POSTAL],
    only=has_part_in_postal,
)
PREFLIGHT.deploy()
BASE.deploy()
# The firewall before Docker, so that nothing is ever published past it.
ACCESS.deploy()
DOCKER.deploy()
MARIADB.deploy()
# Before Postal: its SMTP server starts with the certificate that Caddy obtains.
CADDY.deploy()
POSTAL.deploy()
# What the world sees of it, as a report.
dns_gate.report()
