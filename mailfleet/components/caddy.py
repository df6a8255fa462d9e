"""caddy: TLS, redirects and proxying for Postal's web interface and its tracking domains, and
MTA-STS policies."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.converge.bundle import Bundle, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services
from mailfleet.dns.domains import sts_policy
from mailfleet.dns.record import Record, Severity
from mailfleet.health.certificate import expiry
from mailfleet.health.gates import gates_of
from mailfleet.health.https import WebSite
from mailfleet.health.probe import AnyProbe, Probe
from mailfleet.settings.caddy import CaddySettings
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.sites import Site, sites_of
from mailfleet.templates import render

NAME = "caddy"
ROLES = ("caddy",)

DIRECTORY = "/opt/caddy"
_COMPOSE = f"{DIRECTORY}/compose.yaml"
_ETC = f"{DIRECTORY}/etc"
_CADDYFILE = f"{_ETC}/Caddyfile"

# The admin endpoint is a socket in the container's own memory file system.
_RELOAD = (
    "docker exec caddy caddy reload --config /etc/caddy/Caddyfile --adapter caddyfile "
    "--address unix//run/caddy/admin.sock"
)


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host.caddy
    sites = sites_of(fleet, host)
    caddyfile = render("caddy/Caddyfile", settings=settings, sites=sites)
    extra = [*_certificates(fleet, settings), *_policies(fleet, sites)]
    compose = render("caddy/compose.yaml", settings=settings)
    image = f"{settings.image}:{settings.version}"
    served = (_CADDYFILE, *(item.path for item in extra))
    return Bundle(
        NAME,
        directories=(
            Directory(DIRECTORY),
            Directory(_ETC, owned=True),
            Directory(f"{DIRECTORY}/data", mode=0o700),
        ),
        files=(File(_COMPOSE, compose.content), File(_CADDYFILE, caddyfile.content), *extra),
        checks=compose_checks(
            _COMPOSE,
            image,
            {
                _CADDYFILE: (
                    f"-v $stage{_ETC}:/etc/caddy:ro",
                    "caddy validate --config /etc/caddy/Caddyfile --adapter caddyfile",
                )
            },
        ),
        project=Project(
            "caddy",
            DIRECTORY,
            services=("caddy",),
            reload=_RELOAD,
            reload_on=served,
        ),
        gates=gates_of(probes(fleet, host)),
    )


def _certificates(fleet: Fleet, settings: CaddySettings) -> list[File]:
    found = []
    if settings.acme_ca_file:
        found.append(File(f"{_ETC}/acme-ca.pem", Path(settings.acme_ca_file).read_bytes()))
    if settings.tls == "given":
        for name, ref in (
            ("certificate.pem", settings.certificate),
            ("certificate.key", settings.certificate_key),
        ):
            content = fleet.value(ref).reveal().encode()
            found.append(File(f"{_ETC}/{name}", content, mode=0o600, secret=True))
    return found


def _policies(fleet: Fleet, sites: Iterable[Site]) -> Iterator[File]:
    """MTA-STS policies, each in the file that the Caddyfile names."""
    for site in sites:
        if site.policy_of:
            text = sts_policy(fleet, site.policy_of).text
            yield File(f"{_ETC}/{site.name}.txt", text.encode())


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """What healthy means for this component, asked on the host."""
    names = [site.name for site in sites_of(fleet, host)]
    return (
        Probe(
            "redirect",
            "said=$(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' --max-time 5 "
            f"-H 'Host: {names[0]}' http://127.0.0.1/) || exit 1; "
            'echo "answers ${said% }"; echo "$said" | grep -q \'^30[18] https://\'',
            "deploy again: plain HTTP must lead to HTTPS",
        ),
        *(_certificate_probe(name) for name in names),
        *(
            WebSite(name, str(address), host.health.ca_file).certificate()
            for name in names
            # Nobody trusts Caddy's own CA.
            if (address := host.host.public_ipv4) and host.caddy.tls != "internal"
        ),
    )


def _certificate_probe(name: str) -> Probe:
    """The certificate that visitors of a name get, and a warning well before it expires."""
    return Probe(
        f"certificate of {name}",
        f"certificate=$(openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null "
        "2>/dev/null | openssl x509 2>/dev/null) || { echo 'no certificate'; exit 1; }; "
        'echo "$certificate" | openssl x509 -noout -enddate | sed "s/notAfter=/valid until /"; '
        f'echo "$certificate" | openssl x509 -noout -checkhost {name} | grep -q "does match" || '
        "exit 1; " + expiry('echo "$certificate" | openssl x509 -noout', warn_days=14),
        f"read `docker logs caddy`; the A record of {name} must lead here for ACME to work",
        no_gate="the CA issues it in its own time, once DNS leads here; names may be thousands",
    )


_CAS = {
    # Caddy asks Let's Encrypt, and ZeroSSL when that fails (Caddy, "Automatic HTTPS").
    None: ("letsencrypt.org", "sectigo.com"),
    "acme-v02.api.letsencrypt.org": ("letsencrypt.org",),
    "acme-staging-v02.api.letsencrypt.org": ("letsencrypt.org",),
    "acme.zerossl.com": ("sectigo.com",),
    "dv.acme-v02.api.pki.goog": ("pki.goog",),
}
"""Host of an ACME directory -> how its CA is called in CAA records."""


def records(fleet: Fleet) -> list[Record]:
    """CAA records: who may issue certificates for the names that Caddy serves."""
    found = []
    for host in fleet.with_role(*ROLES):
        directory = host.caddy.acme_directory
        cas = _CAS.get(urlsplit(directory).hostname if directory else None, ())
        if host.caddy.tls == "acme" and cas:
            found += [_caa(name, cas) for name in _own_names(fleet, host)]
    return found


def _own_names(fleet: Fleet, host: Host) -> list[str]:
    """Tracking domains are CNAMEs, beside which nothing can stand: a CA follows them."""
    names = [site.name for site in sites_of(fleet, host)]
    return [name for name in names if name not in fleet.postal.track_domains]


def _caa(name: str, cas: tuple[str, ...]) -> Record:
    return Record(
        name,
        "CAA",
        tuple(f'0 issue "{ca}"' for ca in cas),
        "only the CA that Caddy asks may issue certificates for this name",
        "Any CA may issue certificates for this name.",
        Severity.RECOMMENDED,
        "RFC 8659",
    )


@pyinfra_deploy("caddy")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        files(name="files", bundle=wanted)
        services(name="services", bundle=wanted)
