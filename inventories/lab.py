"""The test fleet of `mailfleet lab up`: whole Debian machines in containers on this machine."""

import sys
from ipaddress import ip_address

from lab.state import LabError, read_lab
from mailfleet.components.docker.settings import Registry
from mailfleet.dns.settings import Rfc2136
from mailfleet.secrets import generate, secret

try:
    _lab = read_lab()
except LabError as error:
    sys.exit(str(error))
if not _lab.update_key_file.exists():
    sys.exit(f"{_lab.update_key_file} is missing: run `mailfleet lab up`, which makes it")


def _host(name):
    host = _lab.hosts[name]
    return (
        name,
        {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": host.ssh_port,
            "ssh_user": host.ssh_user,
            "ssh_key": str(_lab.key_file),
            "ssh_known_hosts_file": str(_lab.known_hosts_file),
            "ssh_strict_host_key_checking": "yes",
            "_sudo": host.ssh_user != "root",
            "host_fqdn": host.fqdn,
            "host_public_ipv4": host.address,
            "host_private_ipv4": host.address,
        },
    )


_postal1, _mx1, _postal2 = _host("postal1"), _host("mx1"), _host("postal2")

postal = [_postal1]
database = [_postal1]
caddy = [_postal1, _mx1]
# Lightsail's part: SMTP ingress.
mailserver = [_mx1]
email_api = [_mx1]
# Empty: the target of a move.
server = [_postal2]

# ns1 takes updates with a key of its own.
_updates = Rfc2136(
    server=_lab.authority,
    key_name="mailfleet-lab",
    secret=secret("dns/tsig", generate.Recipe("the lab's key", _lab.update_key_file.read_text)),
)
_reverse = ip_address(_lab.authority).reverse_pointer.partition(".")[2]

_settings = {
    # Names under .test are in no DNS that this machine asks by itself.
    "dns_resolvers": [_lab.resolver],
    "dns_zones": {"lab.test": _updates, _reverse: _updates},
    # The lab's zone begins without the operator's keys; `mailfleet dns publish` puts them in.
    "dns_report": False,
    "secrets_file": str(_lab.directory / "secrets.age"),
    "secrets_identity": str(_lab.directory / "identity.txt"),
    "postal_web_hostname": "postal.lab.test",
    "postal_smtp_hostname": "mx.postal.lab.test",
    "postal_helo_hostname": "postal1.lab.test",
    "postal_track_domains": ["track.lab.test", "click.lab.test"],
    "postal_smtp_ports": [25, 2525],
    "postal_admin_email": "admin@lab.test",
    "mailserver_hostname": "mx1.lab.test",
    "mailserver_domains": ["in.lab.test"],
    "mailserver_postmaster": "postmaster@in.lab.test",
    "mailserver_accounts": {"app@lab.test": secret("mailserver/app", generate.password(32))},
    # First contact is looked at elsewhere; here every client is a stranger again after a deploy.
    "mailserver_postscreen": "ignore",
    "email_api_aliases": {
        "postmaster@in.lab.test": ["inbox@internet.test"],
        "sales@in.lab.test": ["inbox@internet.test"],
    },
    # The "internet" takes what is forwarded, from whoever brings it.
    "email_api_relay_host": "mx.internet.test",
    "email_api_relay_port": 25,
    "email_api_srs_domain": "in.lab.test",
    "caddy_acme_email": "admin@lab.test",
    # The lab's "internet" has an ACME server of its own, and receives mail.
    "caddy_acme_directory": _lab.acme_directory,
    "caddy_acme_ca_file": str(_lab.ca_file),
    "health_ca_file": str(_lab.acme_root_file),
    "preflight_outbound_host": "mx.internet.test",
    # A machine that the lab runs on is not a server that Postal will run on for years.
    "preflight_memory_mb": 1024,
    "preflight_cores": 1,
    "preflight_disk_gb": 5,
    # Hosts and tests share one address here.
    "access_ssh_connections_per_minute": 600,
    # Nobody here may set the clock that the hosts share with this machine.
    "base_ntp_servers": ["ntp.lab.test"],
}

# Images come from the lab's registry, unless LAB_IMAGES=upstream.
if _lab.registry:
    _settings |= {
        "docker_registries": [Registry(host=_lab.registry, ca_file=str(_lab.ca_file))],
        "mariadb_image": f"{_lab.registry}/mariadb",
        "caddy_image": f"{_lab.registry}/caddy",
        "postal_image": f"{_lab.registry}/postalserver/postal",
        "email_api_image": f"{_lab.registry}/mailfleet/email-api",
        "email_api_valkey_image": f"{_lab.registry}/valkey/valkey",
        "mailserver_image": f"{_lab.registry}/docker-mailserver/docker-mailserver",
    }

# pyinfra's group of the file's own name, with its settings: it has the last word over the others.
lab = ([_postal1, _mx1, _postal2], _settings)
