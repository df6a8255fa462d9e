"""What every server has in common, and Docker: pyinfra INVENTORY deploys/base.py"""

from mailfleet.components import access, base, docker, preflight
from mailfleet.converge.plan import plan

plan([preflight, base, access, docker])
preflight.deploy()
base.deploy()
access.deploy()
docker.deploy()
