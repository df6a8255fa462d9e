"""Look before anything is changed: pyinfra INVENTORY deploys/preflight.py"""

from mailfleet.components.registry import PREFLIGHT
from mailfleet.deploying.start import plan

plan([PREFLIGHT])
PREFLIGHT.deploy(verbose=True)
