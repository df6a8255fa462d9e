"""Health probes of Caddy: the redirect to HTTPS, and the certificate of each site."""

from mailfleet.checks.certificate import expiry
from mailfleet.checks.https import WebSite
from mailfleet.checks.probe import AnyProbe, Probe
from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.components.health.settings import HealthSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.fleet.sites import sites_of


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """Health probes of this component, run on the host."""
    names = [site.name for site in sites_of(fleet, host)]
    return (
        Probe(
            "redirect",
            "answer=$(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' --max-time 5 "
            f"-H 'Host: {names[0]}' http://127.0.0.1/) || exit 1; "
            'echo "answers ${answer% }"; echo "$answer" | grep -q \'^30[18] https://\'',
            "deploy again: plain HTTP must lead to HTTPS",
        ),
        *(_certificate_probe(name) for name in names),
        *(
            WebSite(name, str(address), host[HealthSettings].ca_file).certificate()
            for name in names
            # Nobody trusts Caddy's own CA.
            if (address := host[HostSettings].public_ipv4) and host[CaddySettings].tls != "internal"
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
        gate_exempt="the CA issues it in its own time, once DNS leads here; names may be thousands",
    )
