"""caddy: TLS, redirects and proxying for Postal's web interface and its tracking domains, and
MTA-STS policies."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mailfleet.checks.gates import gates_of
from mailfleet.components.caddy.probes import probes
from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.converge.bundle import Bundle, Directory, File, Project
from mailfleet.converge.compose import compose_checks
from mailfleet.dns.desired.domains import sts_policy
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import Site, sites_of
from mailfleet.templates import render

NAME = "caddy"

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
    settings = host[CaddySettings]
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
    files = []
    if settings.acme_ca_file:
        files.append(File(f"{_ETC}/acme-ca.pem", Path(settings.acme_ca_file).read_bytes()))
    if settings.tls == "given":
        for name, ref in (
            ("certificate.pem", settings.certificate),
            ("certificate.key", settings.certificate_key),
        ):
            content = fleet.value(ref).reveal().encode()
            files.append(File(f"{_ETC}/{name}", content, mode=0o600, secret=True))
    return files


def _policies(fleet: Fleet, sites: Iterable[Site]) -> Iterator[File]:
    """MTA-STS policies, each in the file that the Caddyfile names."""
    for site in sites:
        if site.policy_of:
            text = sts_policy(fleet, site.policy_of).text
            yield File(f"{_ETC}/{site.name}.txt", text.encode())
