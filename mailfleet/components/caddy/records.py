"""CAA records of the names that Caddy serves."""

from urllib.parse import urlsplit

from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.dns.record import Record, Severity
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import sites_of

_CAS = {
    # Caddy requests from Let's Encrypt, and ZeroSSL when that fails (Caddy, "Automatic HTTPS").
    None: ("letsencrypt.org", "sectigo.com"),
    "acme-v02.api.letsencrypt.org": ("letsencrypt.org",),
    "acme-staging-v02.api.letsencrypt.org": ("letsencrypt.org",),
    "acme.zerossl.com": ("sectigo.com",),
    "dv.acme-v02.api.pki.goog": ("pki.goog",),
}
"""Host of an ACME directory -> how its CA is called in CAA records."""


def records(fleet: Fleet) -> list[Record]:
    """CAA records: who may issue certificates for the names that Caddy serves."""
    records = []
    for host in fleet.with_role("caddy"):
        directory = host[CaddySettings].acme_directory
        cas = _CAS.get(urlsplit(directory).hostname if directory else None, ())
        if host[CaddySettings].tls == "acme" and cas:
            records += [_caa(name, cas) for name in _own_names(fleet, host)]
    return records


def _own_names(fleet: Fleet, host: Host) -> list[str]:
    """Tracking domains are CNAMEs, beside which nothing can stand: a CA follows them."""
    return [site.name for site in sites_of(fleet, host) if not site.is_cname]


def _caa(name: str, cas: tuple[str, ...]) -> Record:
    return Record(
        name,
        "CAA",
        tuple(f'0 issue "{ca}"' for ca in cas),
        "only the CA that Caddy uses may issue certificates for this name",
        "Any CA may issue certificates for this name.",
        Severity.RECOMMENDED,
        "RFC 8659",
    )
