"""What every server has in common, and Docker: pyinfra INVENTORY deploys/base.py"""

from mailfleet.components.registry import ACCESS, BASE, DOCKER, PREFLIGHT
from mailfleet.deploying.start import plan

plan([PREFLIGHT, BASE, ACCESS, DOCKER])
PREFLIGHT.deploy()
BASE.deploy()
ACCESS.deploy()
DOCKER.deploy()
