"""Does the world see every DNS record that the fleet needs? pyinfra INVENTORY deploys/dns.py

After a deploy: pyinfra INVENTORY deploys/site.py deploys/dns.py"""

from mailfleet.deploying import dns_gate

dns_gate.deploy()
