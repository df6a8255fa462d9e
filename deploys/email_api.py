"""The e-mail API with everything below it: pyinfra INVENTORY deploys/email_api.py"""

from mailfleet.components import access, base, dns_gate, docker, email_api, preflight
from mailfleet.converge.plan import plan

# Hosts that do not carry the API are left alone.
plan([preflight, base, access, docker, email_api], roles=email_api.ROLES)
preflight.deploy()
base.deploy()
# The firewall before Docker, so that nothing is ever published past it.
access.deploy()
docker.deploy()
email_api.deploy()
# What the world sees of it, as a report.
dns_gate.report()
