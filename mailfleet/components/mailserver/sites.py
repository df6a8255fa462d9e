"""The site whose certificate the mailserver uses."""

from collections.abc import Iterator

from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import Site


def sites(fleet: Fleet, host: Host) -> Iterator[Site]:
    """The mailserver's name, where Caddy obtains its certificate."""
    if host.has("mailserver") and host[MailserverSettings].tls == "caddy":
        yield Site(host[MailserverSettings].hostname, why="mailserver")
