"""Dynamic updates to a real server: many at once, and a zone that changed meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset
from mailfleet.dns.settings import Rfc2136
from mailfleet.providers.rfc2136 import DynamicZone
from mailfleet.providers.servers import ProviderError
from mailfleet.secrets import Secret
from tests.accept.knot import KEY, KEY_NAME, Knot, knot


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Knot]:
    with knot(tmp_path, {"example.com": "www A 192.0.2.80\n"}) as running:
        yield running


@pytest.fixture
def zone(server: Knot) -> DynamicZone:
    settings = Rfc2136(server="127.0.0.1", port=server.port, key_name=KEY_NAME)
    return DynamicZone("example.com", settings, Secret(KEY))


def test_more_changes_than_one_message_takes(server: Knot, zone: DynamicZone) -> None:
    names = [f"host{number}.example.com" for number in range(250)]
    zone.write([Change(name, "A", None, RRset(name, "A", ("192.0.2.1",), 60)) for name in names])
    assert {rrset.name for rrset in zone.read(names)} == set(names)


@pytest.mark.parametrize("before", [None, RRset("www.example.com", "A", ("192.0.2.79",), 300)])
def test_update_is_rejected_if_the_zone_changed_since_the_plan(
    server: Knot, zone: DynamicZone, before: RRset | None
) -> None:
    after = RRset("www.example.com", "A", ("192.0.2.10",), 60)
    other = RRset("new.example.com", "A", ("192.0.2.10",), 60)
    changes = [
        Change("new.example.com", "A", None, other),
        Change("www.example.com", "A", before, after),
    ]
    with pytest.raises(ProviderError, match="changed since it was read"):
        zone.write(changes)
    assert server.values("www.example.com", "A") == {"192.0.2.80"}
    assert server.values("new.example.com", "A") == set()


def test_a_server_that_does_not_have_the_zone(server: Knot) -> None:
    settings = Rfc2136(server="127.0.0.1", port=server.port, key_name=KEY_NAME)
    other = DynamicZone("example.net", settings, Secret(KEY))
    with pytest.raises(ProviderError, match=r"example\.net: .* answers for the zone: refused"):
        other.read(["www.example.net"])
