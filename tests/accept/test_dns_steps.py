"""A rotation of Postal's DKIM key with `mailfleet dns publish` and `dns rotate`, on a real Knot DNS
that is the zone's authoritative server."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailfleet.fleet.fleet import Fleet
from tests.accept.knot import KEY, KEY_NAME, Knot, knot
from tests.accept.test_dns_publish import INVENTORY, mailfleet
from tests.unit.conftest import fleet_from
from tests.unit.dns.conftest import postal_fleet, signing_key

__all__ = ["fleet_from", "postal_fleet", "signing_key"]

# Authoritative servers are asked on port 53; this address of loopback is of this run alone.
ADDRESS = f"127.77.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
RP = "rp.postal.example.com"
SETTINGS = f"""
from mailfleet.secrets import secret
from mailfleet.dns.settings import DkimKey, Rfc2136
dns_zones = {{"example.com": Rfc2136(server="{ADDRESS}", key_name="{KEY_NAME}")}}
dns_resolvers = ["{ADDRESS}"]
"""


def keys(selector: str, stage: str, secret: str) -> str:
    key = f'DkimKey(domain="{RP}", selector="{selector}", stage="{stage}", key=secret("{secret}"))'
    return f"dns_dkim_keys = [{key}]"


NEXT = keys("postal2", "next", "dkim/next")
SIGNS = """
postal_signing_key = secret("dkim/next")
postal_config = {"dns": {"dkim_identifier": "postal2"}}
"""
OLD = keys("postal", "old", "postal/signing_key")
REVOKED = keys("postal", "revoked", "postal/signing_key")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Knot]:
    directory = tmp_path / "knot"
    directory.mkdir()
    with knot(directory, {"example.com": ""}, ADDRESS, 53) as running:
        yield running


def test_a_key_is_rotated(
    server: Knot,
    postal_fleet: Callable[..., Fleet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAILFLEET_SECRET_DNS_TSIG", KEY)
    made = generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    monkeypatch.setenv("MAILFLEET_SECRET_DKIM_NEXT", made.decode())
    dates = postal_fleet(SETTINGS).directory / "dns-steps.json"

    def now(settings: str) -> None:
        postal_fleet(SETTINGS + settings)

    def step() -> str:
        return mailfleet("rotate", INVENTORY).output.strip()

    def later(**time: float) -> None:
        known = json.loads(dates.read_text())
        moved = {
            event: (datetime.fromisoformat(date) - timedelta(**time)).isoformat()
            for event, date in known.items()
        }
        dates.write_text(json.dumps(moved))

    now(NEXT)
    assert step().startswith(f"fix  DKIM key postal2 of {RP}: ")
    assert mailfleet("publish", INVENTORY, "--yes").exit_code == 0
    assert step().startswith("wait")
    later(hours=3)
    assert 'set postal_signing_key = secret("dkim/next")' in step()
    now(SIGNS + OLD)
    assert mailfleet("publish", INVENTORY, "--yes").exit_code == 0
    both = {name: server.values(f"{name}._domainkey.{RP}", "TXT") for name in ("postal", "postal2")}
    assert all("p=MII" in str(values) for values in both.values())
    now(SIGNS + REVOKED)
    assert step().startswith("fix")
    assert mailfleet("publish", INVENTORY, "--yes").exit_code == 0
    assert server.values(f"postal._domainkey.{RP}", "TXT") == {'"v=DKIM1; p="'}
