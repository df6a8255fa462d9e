"""The benchmark's light hosts, without Docker: pyinfra bench/inventory.py bench/light.py"""

from mailfleet.components.access import deploy as access
from mailfleet.components.base import deploy as base
from mailfleet.deploying.start import plan

plan([base, access])
base.deploy()
access.deploy()
