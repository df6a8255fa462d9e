"""Publishing to zones at Cloudflare, Hetzner and Lightsail, whose APIs are faked at their edge."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailfleet.cli.dns import dns as command
from mailfleet.fleet.fleet import Fleet
from tests.unit.dns.fake_api import (
    TOKEN,
    Fake,
    FakeCloudflare,
    FakeHetzner,
    FakeLightsail,
    running,
)

INVENTORY = "inventories/test.py"
MakeFleet = Callable[..., Fleet]
LAST = "0 to create, 0 to update, 0 to delete, 0 conflicting"


def publish(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["publish", INVENTORY, *arguments])


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudflare]:
    fake = FakeCloudflare()
    fake.add(name="www.example.com", type="A", content="192.0.2.80", proxied=True)
    fake.add(name="example.com", type="TXT", content='"token-of-another-service"')
    fake.add(name="example.com", type="MX", content="mail.example.net", priority=10)
    fake.add(name="example.com", type="HTTPS", content='1 . alpn="h2"')
    monkeypatch.setenv("CLOUDFLARE_ENDPOINT", fake.url)
    monkeypatch.setenv("MAILFLEET_SECRET_DNS_CLOUDFLARE_TOKEN", TOKEN)
    with running(fake):
        yield fake


@pytest.fixture
def hetzner(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHetzner]:
    fake = FakeHetzner()
    fake.add("@", "SOA", ["ns. root. 1 2 3 4 5"])
    fake.add("@", "TXT", ['"token-of-another-service"'])
    fake.add("www", "A", ["192.0.2.80"], 60)
    monkeypatch.setenv("HCLOUD_ENDPOINT", fake.url)
    monkeypatch.setenv("MAILFLEET_SECRET_DNS_HETZNER_TOKEN", TOKEN)
    with running(fake):
        yield fake


@pytest.fixture
def lightsail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeLightsail]:
    fake = FakeLightsail()
    fake.add("www.example.com", "A", "balancer.us-east-1.elb.amazonaws.com", alias=True)
    fake.add("example.com", "TXT", '"token-of-another-service"')
    fake.add("example.com", "NS", "ns-111.awsdns-22.com")
    for variable, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": TOKEN,
        "AWS_ENDPOINT_URL_LIGHTSAIL": fake.url,
    }.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with running(fake):
        yield fake


PROVIDERS = {
    "cloudflare": "CloudflareDns",
    "hetzner": "HetznerDns",
    "lightsail": "LightsailDns",
}


def settings(provider: str, more: str = "", zone: str = "example.com") -> str:
    name = PROVIDERS[provider]
    return f'from mailfleet.dns.settings import {name}\ndns_zones = {{"{zone}": {name}()}}\n{more}'


@pytest.fixture(params=sorted(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> tuple[str, Fake]:
    fake: Fake = request.getfixturevalue(request.param)
    return request.param, fake


def test_first_publish_writes_all_records_and_second_none(
    provider: tuple[str, Fake], postal_fleet: MakeFleet
) -> None:
    name, fake = provider
    postal_fleet(settings(name, 'postal_sending_domains = ["example.com"]'))
    dry = publish("--dry")
    assert dry.exit_code == 2, dry.output
    assert not fake.written
    done = publish("--yes")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(dry.output)
    written = len(fake.written)
    again = publish("--yes")
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, LAST)
    assert len(fake.written) == written
    assert TOKEN not in dry.output + done.output + again.output


def test_unmanaged_records_are_unchanged(
    provider: tuple[str, Fake], postal_fleet: MakeFleet
) -> None:
    name, fake = provider
    postal_fleet(settings(name, 'postal_sending_domains = ["example.com"]'))
    assert publish("--yes").exit_code == 0
    texts = {
        "cloudflare": lambda: [
            record["content"]
            for record in fake.records.values()  # type: ignore[attr-defined]
            if (record["name"], record["type"]) == ("example.com", "TXT")
        ],
        "hetzner": lambda: [
            record["value"]
            for record in fake.rrsets["@", "TXT"]["records"]  # type: ignore[attr-defined]
        ],
        "lightsail": lambda: [
            entry["target"]
            for entry in fake.entries.values()  # type: ignore[attr-defined]
            if (entry["name"], entry["type"]) == ("example.com", "TXT")
        ],
    }
    assert texts[name]() == [
        '"token-of-another-service"',
        '"v=spf1 include:spf.postal.example.com a mx ~all"',
    ]


def test_changed_managed_record_is_restored(
    provider: tuple[str, Fake], postal_fleet: MakeFleet
) -> None:
    name, fake = provider
    postal_fleet(settings(name))
    assert publish("--yes").exit_code == 0
    match fake:
        case FakeCloudflare():
            rows = fake.records.values()
            name_and_type = "postal.example.com", "A"
            record = next(one for one in rows if (one["name"], one["type"]) == name_and_type)
            record["content"] = "192.0.2.99"
        case FakeHetzner():
            fake.rrsets["postal", "A"]["records"] = [{"value": "192.0.2.99", "comment": ""}]
        case FakeLightsail():
            entries = fake.entries.values()
            name_and_type = "postal.example.com", "A"
            entry = next(one for one in entries if (one["name"], one["type"]) == name_and_type)
            entry["target"] = "192.0.2.99"
    changed = publish("--yes")
    assert changed.exit_code == 0, changed.output
    assert (
        "~ update postal.example.com A\n      - 192.0.2.99\n      + 192.0.2.10\n" in changed.output
    )
    assert publish("--dry").exit_code == 0


def test_missing_zone_is_one_error(provider: tuple[str, Fake], postal_fleet: MakeFleet) -> None:
    name, fake = provider
    postal_fleet(settings(name, zone="example.net"))
    done = publish("--yes")
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("mailfleet: example.net: ")
    assert not fake.written


@pytest.mark.parametrize("name", ["cloudflare", "hetzner"])
def test_rejected_token_is_one_error(
    name: str,
    postal_fleet: MakeFleet,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(name)
    monkeypatch.setenv(f"MAILFLEET_SECRET_DNS_{name.upper()}_TOKEN", "wrong5c1dtoken")
    postal_fleet(settings(name))
    done = publish("--yes")
    assert done.exit_code == 1
    assert "token" in done.output.splitlines()[-1]
    assert "wrong5c1dtoken" not in done.output


def test_ptr_records_are_set_at_the_provider_of_the_address(
    hetzner: FakeHetzner, postal_fleet: MakeFleet
) -> None:
    reverse = "from mailfleet.dns.settings import HetznerDns\ndns_reverse = HetznerDns()\n"
    postal_fleet(reverse)
    done = publish("--yes")
    assert done.exit_code == 0, done.output
    assert [ip["dns_ptr"] for ip in hetzner.ips] == [
        [{"ip": "192.0.2.10", "dns_ptr": "postal1.example.com"}],
        [{"ip": "2001:db8::10", "dns_ptr": "postal1.example.com"}],
    ]
    assert publish("--dry").output.splitlines()[-1] == LAST


def test_foreign_ptr_record_needs_take(hetzner: FakeHetzner, postal_fleet: MakeFleet) -> None:
    hetzner.ips[0]["dns_ptr"] = [{"ip": "192.0.2.10", "dns_ptr": "old.example.com"}]
    postal_fleet("from mailfleet.dns.settings import HetznerDns\ndns_reverse = HetznerDns()\n")
    assert publish("--yes").exit_code == 2
    assert hetzner.ips[0]["dns_ptr"][0]["dns_ptr"] == "old.example.com"
    assert publish("--yes", "--take", "192.0.2.10").exit_code == 0
    assert hetzner.ips[0]["dns_ptr"][0]["dns_ptr"] == "postal1.example.com"


def test_invalid_record_value_is_one_error(
    cloudflare: FakeCloudflare, postal_fleet: MakeFleet
) -> None:
    cloudflare.add(name="a.example.com", type="CAA", content="no flags")
    postal_fleet(settings("cloudflare"))
    done = publish("--yes")
    assert done.exit_code == 1
    assert done.output.startswith("mailfleet: CAA no flags: ")
    assert not cloudflare.written
