"""The instances of Amazon Lightsail, as they are now.

    export AWS_PROFILE=mail          # or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    export MAILFLEET_LIGHTSAIL_REGIONS="eu-central-1 eu-west-1"      # default: that of the profile
    pyinfra inventories/lightsail.py debug-inventory

The credentials need the right lightsail:GetInstances only. Each instance of the fleet has two tags:
    mailfleet       its roles, joined by dots or spaces: mailfleet=mailserver.caddy
                    (roles: postal, or postal_web, postal_smtp, postal_worker; database; caddy;
                    mailserver; server)
    mailfleet-fqdn  its fully qualified name, as its PTR record has it (the name of an instance
                    cannot hold dots)

Optional: MAILFLEET_LIGHTSAIL_TAG, a tag that tells which instances count, if the account holds more
than one fleet: "environment=prod".

Give mail servers a static IP: another one is lost when the instance is stopped.

The groups are the roles; settings stand in group_data/<role>.py, and those of all hosts of this
inventory in group_data/lightsail.py. The user of SSH is the one that Lightsail tells for the image
(admin on Debian), who may use sudo: put `_sudo = True` into group_data/lightsail.py.

A fleet over several providers is an inventory of your own that ends in
globals().update(_inventory_groups([*_hetzner.servers(...), *_lightsail.servers(...)])).
"""

# pyinfra takes every name for a group unless it begins with an underscore.
import os as _os

from mailfleet.deploying.inventory import inventory_groups as _inventory_groups
from mailfleet.providers import lightsail as _lightsail

_tag, _, _value = _os.environ.get("MAILFLEET_LIGHTSAIL_TAG", "mailfleet").partition("=")

_servers = _lightsail.servers(
    regions=_os.environ.get("MAILFLEET_LIGHTSAIL_REGIONS", "").split(),
    tag=_tag,
    value=_value or None,
)

globals().update(_inventory_groups(_servers))
