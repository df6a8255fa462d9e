"""Look before anything is changed: pyinfra INVENTORY deploys/preflight.py"""

from mailfleet.components import preflight
from mailfleet.converge.plan import plan

plan([preflight])
preflight.deploy(verbose=True)
