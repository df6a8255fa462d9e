"""How every component of every host is: pyinfra INVENTORY deploys/health.py --dry"""

from mailfleet.components.registry import COMPONENTS
from mailfleet.health.fleet import health_here

health_here(COMPONENTS)
