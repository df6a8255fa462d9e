"""inventories/lightsail.py, loaded by pyinfra, against a fake of the API's outer edge."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pyinfra.api import Inventory, State
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from mailfleet.providers import lightsail
from mailfleet.providers.servers import ProviderError

INVENTORY = Path(__file__).parents[2] / "inventories" / "lightsail.py"
SECRET_KEY = "canary5c1dsecretkey"
PAGE = 2


class FakeLightsail(ThreadingHTTPServer):
    """GetInstances of AWS JSON 1.1: the operation in X-Amz-Target, nextPageToken, one region per
    signature."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.regions = {
            "eu-central-1": [
                instance("eu-central-1", 1, "mx1", "mailserver caddy", fqdn="mx1.example.com"),
                instance("eu-central-1", 2, "blog", None),
                instance("eu-central-1", 3, "db1", "database", environment="prod"),
            ],
            "eu-west-1": [instance("eu-west-1", 4, "postal1", "postal", environment="prod")],
        }
        self.answer: tuple[int, dict] | None = None
        self.requests: list[tuple[str, dict]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeLightsail

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.answer or self._instances(asked)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _instances(self, asked: dict) -> tuple[int, dict]:
        assert self.headers["X-Amz-Target"] == "Lightsail_20161128.GetInstances"
        scope = r"Credential=[^/]+/\d+/([^/]+)/lightsail/aws4_request"
        region = re.search(scope, self.headers["Authorization"])[1]
        self.server.requests.append((region, asked))
        rows = self.server.regions[region]
        start = int(asked.get("pageToken", 0))
        answer = {"instances": rows[start : start + PAGE]}
        if len(rows) > start + PAGE:
            answer["nextPageToken"] = str(start + PAGE)
        return 200, answer

    def log_message(self, *_) -> None:
        pass


def instance(region, number, name, roles, fqdn=None, environment=None) -> dict:
    tags = {"mailfleet": roles, "mailfleet-fqdn": fqdn, "environment": environment}
    return {
        "name": name,
        "location": {"availabilityZone": f"{region}a", "regionName": region},
        "tags": [{"key": "no-value"}]
        + [{"key": key, "value": value} for key, value in tags.items() if value],
        "publicIpAddress": f"198.51.100.{number}",
        "privateIpAddress": f"172.26.0.{number}",
        "ipv6Addresses": [f"2001:db8::{number}"],
        "username": "admin",
        "state": {"code": 16, "name": "running"},
    }


def load() -> Inventory:
    with ctx_state.use(State()):
        return make_inventory(str(INVENTORY))


@pytest.fixture
def api(monkeypatch, tmp_path):
    fake = FakeLightsail()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "MAILFLEET_LIGHTSAIL_TAG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL_LIGHTSAIL": fake.url,
        "MAILFLEET_LIGHTSAIL_REGIONS": "eu-central-1 eu-west-1",
    }.items():
        monkeypatch.setenv(variable, value)
    yield fake
    fake.shutdown()
    fake.server_close()
    thread.join()


def test_pyinfra_sees_roles_as_groups_over_all_pages_and_regions(api):
    inventory = load()
    groups = {name: sorted(host.name for host in hosts) for name, hosts in inventory.groups.items()}
    assert groups == {
        "postal": ["postal1"],
        "database": ["db1"],
        "caddy": ["mx1"],
        "mailserver": ["mx1"],
        "lightsail": ["db1", "mx1", "postal1"],
    }
    assert api.requests == [
        ("eu-central-1", {}),
        ("eu-central-1", {"pageToken": "2"}),
        ("eu-west-1", {}),
    ]


def test_pyinfra_sees_the_addresses_and_the_user(api):
    inventory = load()
    assert inventory.get_host("mx1").data.dict() == {
        "ssh_hostname": "198.51.100.1",
        "ssh_user": "admin",
        "host_fqdn": "mx1.example.com",
        "host_public_ipv4": "198.51.100.1",
        "host_public_ipv6": "2001:db8::1",
        "host_private_ipv4": "172.26.0.1",
    }


def test_a_tag_narrows_the_fleet(api, monkeypatch):
    monkeypatch.setenv("MAILFLEET_LIGHTSAIL_TAG", "environment=prod")
    inventory = load()
    assert sorted(host.name for host in inventory) == ["db1", "postal1"]


def test_the_region_of_the_profile_is_the_default(api, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert [server.name for server in lightsail.servers()] == ["postal1"]


def assert_fails(complaint: str, **options) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        lightsail.servers(**{"regions": ["eu-central-1"], **options})
    assert "\n" not in str(caught.value)
    assert SECRET_KEY not in str(caught.value)


def test_no_region(api):
    assert_fails("no Lightsail region: set AWS_REGION", regions=[])


@pytest.mark.parametrize(("tag", "value"), [("none", None), ("mailfleet", "other")])
def test_nothing_matches(api, tag, value):
    assert_fails(f"no Lightsail instance in eu-central-1 has the tag {tag}", tag=tag, value=value)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "AccessDeniedException"])
def test_credentials_that_are_not_accepted(api, code):
    api.answer = (400, {"__type": code, "message": "The security token is invalid"})
    assert_fails(rf"AWS does not accept the credentials \({code}\)")


def test_no_credentials(api, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert_fails("cannot query Lightsail: Unable to locate credentials")


def test_an_unknown_profile(api):
    assert_fails("AWS_PROFILE cannot be used: .*nobody", profile="nobody")


def test_another_error_of_the_api(api):
    api.answer = (400, {"__type": "InvalidInputException", "message": "bad\npage"})
    assert_fails(r"the Lightsail API answers: bad page \(InvalidInputException\)")


def test_the_network_is_down(api, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LIGHTSAIL", "http://127.0.0.1:1")
    assert_fails("cannot query Lightsail: Could not connect to the endpoint")
