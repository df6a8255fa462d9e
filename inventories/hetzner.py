"""The servers of a Hetzner Cloud project, as they are now.

    export HCLOUD_TOKEN=...          # read access is enough
    pyinfra inventories/hetzner.py debug-inventory

Each server of the fleet has two labels:
    mailfleet       its roles, joined by dots: mailfleet=postal.database.caddy
                    (roles: postal, or postal_web, postal_smtp, postal_worker; database; caddy;
                    mailserver; server)
    mailfleet-fqdn  its fully qualified name, as its PTR record has it; not needed when the server
                    itself is called that

Optional: HCLOUD_NETWORK, the private network that the hosts share, if they are in several;
MAILFLEET_HETZNER_SELECTOR, which servers count, if the project holds more than one fleet:
"mailfleet,environment=prod" (https://docs.hetzner.cloud/reference/cloud#label-selector).

The groups are the roles; settings stand in group_data/<role>.py, and those of all hosts of this
inventory in group_data/hetzner.py."""

import os as _os

from mailfleet.deploying.inventory import inventory_groups as _inventory_groups
from mailfleet.providers import hetzner as _hetzner

_servers = _hetzner.servers(
    token=_os.environ.get("HCLOUD_TOKEN", "").strip(),
    label_selector=_os.environ.get("MAILFLEET_HETZNER_SELECTOR", "mailfleet"),
    network=_os.environ.get("HCLOUD_NETWORK"),
)

globals().update(_inventory_groups(_servers))
