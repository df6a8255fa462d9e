"""Postal with everything below it: pyinfra INVENTORY deploys/postal.py"""

from mailfleet.components import access, base, caddy, dns_gate, docker, mariadb, postal, preflight
from mailfleet.converge.plan import plan
from mailfleet.settings.ports import has_part_in_postal

# Hosts that have no part in Postal are left alone.
plan(
    [preflight, base, access, docker, mariadb, caddy, postal],
    only=has_part_in_postal,
)
preflight.deploy()
base.deploy()
# The firewall before Docker, so that nothing is ever published past it.
access.deploy()
docker.deploy()
mariadb.deploy()
# Before Postal: its SMTP server starts with the certificate that Caddy obtains.
caddy.deploy()
postal.deploy()
# What the world sees of it, as a report.
dns_gate.report()
