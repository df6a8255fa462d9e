"""Every difference between description and hosts: pyinfra INVENTORY deploys/drift.py --dry"""

from mailfleet.drift.compare import drift_here

drift_here()
