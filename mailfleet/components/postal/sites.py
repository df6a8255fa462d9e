"""Sites of Postal's web interface, its SMTP certificate and its tracking domains."""

from mailfleet.components.postal.ports import postal_fronts, web_address
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import Site


def sites(fleet: Fleet, host: Host) -> list[Site]:
    """Sites of Postal on the Caddies in front of it."""
    if host not in postal_fronts(fleet) or not fleet.with_role("postal_web"):
        return []
    postal = fleet[PostalSettings]
    # This host's own web process first.
    web_hosts = sorted(fleet.with_role("postal_web"), key=lambda other: other.name != host.name)
    upstreams = tuple(
        f"{web_address(fleet, web)}:{web[PostalSettings].web_port}" for web in web_hosts
    )
    sites = [Site(postal.web_hostname, upstreams)]
    # Caddy holds the certificate that SMTP uses, so it must serve that name too.
    if postal.smtp_tls == "caddy" and postal.smtp_name != postal.web_hostname:
        sites.append(Site(postal.smtp_name, why="SMTP server"))
    # Postal manual, "Click & Open Tracking"
    header = {"X-Postal-Track-Host": "1"}
    return sites + [Site(name, upstreams, header, is_cname=True) for name in postal.track_domains]
