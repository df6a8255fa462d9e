"""The benchmark's light hosts, without Docker: pyinfra bench/inventory.py bench/light.py"""

from mailfleet.components import access, base
from mailfleet.converge.plan import plan

plan([base, access])
base.deploy()
access.deploy()
