"""Every difference between description and hosts: pyinfra INVENTORY deploys/drift.py --dry"""

from mailfleet.drift.run import drift_here

drift_here()
