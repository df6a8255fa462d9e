"""How every component of every host is: pyinfra INVENTORY deploys/health.py --dry"""

from mailfleet.components import COMPONENTS
from mailfleet.health.run import health_here

health_here(COMPONENTS)
