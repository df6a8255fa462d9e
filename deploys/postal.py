"""Postal with everything below it: pyinfra INVENTORY deploys/postal.py"""

from mailfleet.components import access, base, caddy, docker, mariadb, postal, preflight
from mailfleet.converge.plan import plan

plan([preflight, base, access, docker, mariadb, caddy, postal])
preflight.deploy()
base.deploy()
access.deploy()
docker.deploy()
mariadb.deploy()
# Before Postal: its SMTP server starts with the certificate that Caddy obtains.
caddy.deploy()
postal.deploy()
