"""The components, in deploy order."""

from mailfleet.components import (
    access,
    base,
    caddy,
    docker,
    email_api,
    mailserver,
    mariadb,
    postal,
    preflight,
)
from mailfleet.components.component import Component

COMPONENTS: tuple[Component, ...] = (
    preflight,
    base,
    # The firewall before Docker, so that nothing is ever published past it.
    access,
    docker,
    mariadb,
    # Before Postal and the mailserver: both start with the certificate that Caddy obtains.
    caddy,
    postal,
    # Before the mailserver, which joins its network.
    email_api,
    mailserver,
)
