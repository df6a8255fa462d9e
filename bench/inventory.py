"""Fleets of the benchmarks, on extra lab hosts: `mailfleet lab up --extra 11`.

BENCH_HOSTS=1 (default): all of Postal on postal3, as a small installation has it.
BENCH_HOSTS=N: one Postal spread over N hosts, postal4 and on. The first one is database, Caddy and
all three processes; each of the others runs the three processes too, behind that Caddy and with
that database.
BENCH_LIGHT=N: N hosts without a part in Postal, postal3 and on; BENCH_HOSTS does not count then.
"""

import os
import sys
from typing import Any

from lab.state import LabError, read_lab
from mailfleet.components.docker.settings import Registry

try:
    _lab = read_lab()
except LabError as error:
    sys.exit(f"mailfleet: {error}")

_light = int(os.environ.get("BENCH_LIGHT", "0"))
_count = _light or int(os.environ.get("BENCH_HOSTS", "1"))
_first = 3 if _light or _count == 1 else 4
_names = [f"postal{number}" for number in range(_first, _first + _count)]
if _missing := [name for name in _names if name not in _lab.hosts]:
    _extra = _first + _count - 3
    sys.exit(f"mailfleet: no {_missing[0]} in the lab: run `mailfleet lab up --extra {_extra}`")


def _host(name: str) -> tuple[str, dict[str, Any]]:
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
            "host_fqdn": host.fqdn,
            "host_public_ipv4": host.address,
            "host_private_ipv4": host.address,
            "postal_helo_hostname": host.fqdn,
        },
    )


_hosts = [_host(name) for name in _names]
# Two names in the lab's DNS that lead to the first host.
_web, _smtp = f"postal-{_first}.lab.test", f"postal{_first}.lab.test"

server = _hosts if _light else []
postal = [] if _light else _hosts
database = postal[:1]
caddy = postal[:1]

_settings: dict[str, Any] = {
    # Measured elsewhere.
    "dns_report": False,
    # Own secrets: the lab's are other tests' business.
    "secrets_file": str(_lab.directory / "bench.age"),
    "secrets_identity": str(_lab.directory / "bench-identity.txt"),
    "postal_web_hostname": _web,
    "postal_smtp_hostname": _smtp,
    # Caddy's certificate is on Caddy's host; SMTP servers elsewhere go without one here.
    "postal_smtp_tls": "caddy" if _count == 1 else "off",
    "postal_admin_email": "admin@lab.test",
    "caddy_acme_email": "admin@lab.test",
    "caddy_acme_directory": _lab.acme_directory,
    "caddy_acme_ca_file": str(_lab.ca_file),
    "preflight_outbound_host": "mx.internet.test",
    "access_ssh_connections_per_minute": 600,
    "base_ntp_servers": ["ntp.lab.test"],
}

if _lab.registry:
    _settings |= {
        "docker_registries": [Registry(host=_lab.registry, ca_file=str(_lab.ca_file))],
        "mariadb_image": f"{_lab.registry}/mariadb",
        "caddy_image": f"{_lab.registry}/caddy",
        "postal_image": f"{_lab.registry}/postalserver/postal",
    }

# The group of the file's own name has the last word.
inventory = (_hosts, _settings)
