"""A fleet whose signing key is known."""

import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailfleet.fleet.fleet import Fleet
from tests.unit.conftest import POSTAL, Write

INVENTORY = """
_host = ("postal1", {
    "host_fqdn": "postal1.example.com",
    "host_public_ipv4": "192.0.2.10",
    "host_public_ipv6": "2001:db8::10",
})
postal = [_host]
database = [_host]
caddy = [_host]
"""

NAMES = """
postal_smtp_hostname = "mx.postal.example.com"
postal_helo_hostname = "postal1.example.com"
postal_track_domains = ["click.example.com"]
"""


@pytest.fixture(scope="session")
def signing_key() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


@pytest.fixture
def key_in_ruby(signing_key: str) -> str:
    """The record of the key as Postal's own code makes it (3.3.6, lib/postal/config.rb)."""
    script = (
        'require "openssl"; key = OpenSSL::PKey::RSA.new($stdin.read); '
        'public_key = key.public_key.to_s.gsub(/-+[A-Z ]+-+\\n/, "").gsub("\\n", ""); '
        'print "v=DKIM1; t=s; h=sha256; p=#{public_key};"'
    )
    done = subprocess.run(
        ["ruby", "-e", script], input=signing_key, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def postal_fleet(
    fleet_from: Write, signing_key: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Fleet]:
    """The fleet on disk, with its signing key in the environment."""
    monkeypatch.setenv("MAILFLEET_SECRET_POSTAL_SIGNING_KEY", signing_key)

    def make(extra: str = "", inventory: str = INVENTORY) -> Fleet:
        all_hosts = 'secrets_backend = "environment"\n' + POSTAL + NAMES
        return fleet_from(extra, inventory, all=all_hosts)

    return make
