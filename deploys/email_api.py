"""The e-mail API with everything below it: pyinfra INVENTORY deploys/email_api.py"""

from mailfleet.components.registry import ACCESS, BASE, DOCKER, EMAIL_API, PREFLIGHT
from mailfleet.deploying import dns_gate
from mailfleet.deploying.start import plan

# Hosts that do not carry the API are left alone.
plan([PREFLIGHT, BASE, ACCESS, DOCKER, EMAIL_API], only=EMAIL_API.on)
PREFLIGHT.deploy()
BASE.deploy()
# The firewall before Docker, so that nothing is ever published past it.
ACCESS.deploy()
DOCKER.deploy()
EMAIL_API.deploy()
# What the world sees of it, as a report.
dns_gate.report()
