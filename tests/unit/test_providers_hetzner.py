"""inventories/hetzner.py, loaded by pyinfra, against a fake of the API's outer edge."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pyinfra.api import Inventory, State
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from mailfleet.providers import hetzner
from mailfleet.providers.servers import ProviderError

INVENTORY = Path(__file__).parents[2] / "inventories" / "hetzner.py"
TOKEN = "canary5c1dtoken"
PAGE = 2


class FakeHetzner(ThreadingHTTPServer):
    """GET /servers and /networks with pagination and label selectors `key` and `key=value`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.servers = [
            machine(1, "postal1.example.com", "postal.database.caddy", networks=[7]),
            machine(2, "web", "postal_web", networks=[7, 8], fqdn="web.example.com"),
            machine(3, "mx1", "mailserver.caddy", ipv4=False, fqdn="mx1.example.com"),
            machine(4, "other", None),
        ]
        self.answer: tuple[int, dict] | None = None
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHetzner

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        status, answer = self._answer()
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> tuple[int, dict]:
        if self.server.answer:
            return self.server.answer
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, error("unauthorized", "the provided token is not valid")
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/v1/networks":
            known = [{"id": 7, "name": "fleet"}, {"id": 8, "name": "office"}]
            return 200, page("networks", [n for n in known if n["name"] == query["name"]], 1)
        selector, _, value = query["label_selector"].partition("=")
        chosen = [
            one
            for one in self.server.servers
            if selector in one["labels"] and value in ("", one["labels"][selector])
        ]
        return 200, page("servers", chosen, int(query.get("page", 1)))

    def log_message(self, *_) -> None:
        pass


def machine(number, name, roles, networks=(), ipv4=True, fqdn=None) -> dict:
    labels = {"mailfleet": roles, "mailfleet-fqdn": fqdn}
    return {
        "id": number,
        "name": name,
        "status": "running",
        "labels": {key: value for key, value in labels.items() if value},
        "location": {"id": 1, "name": "nbg1"},
        "public_net": {
            "ipv4": {"id": number, "ip": f"192.0.2.{number}", "blocked": False, "dns_ptr": name}
            if ipv4
            else None,
            "ipv6": {"id": 90, "ip": f"2001:db8:{number}::/64", "blocked": False, "dns_ptr": []},
            "floating_ips": [],
            "firewalls": [],
        },
        "private_net": [
            {"network": one, "ip": f"10.{one}.0.{number}", "alias_ips": [], "mac_address": "86:00"}
            for one in networks
        ],
    }


def page(key: str, rows: list, number: int) -> dict:
    more = len(rows) > number * PAGE
    meta = {"page": number, "per_page": PAGE, "next_page": number + 1 if more else None}
    pagination = {**meta, "previous_page": None, "last_page": None, "total_entries": len(rows)}
    return {
        key: rows[(number - 1) * PAGE : number * PAGE],
        "meta": {"pagination": pagination},
    }


def error(code: str, message: str) -> dict:
    return {"error": {"code": code, "message": message, "details": None}}


def load() -> Inventory:
    with ctx_state.use(State()):
        return make_inventory(str(INVENTORY))


@pytest.fixture
def api(monkeypatch):
    fake = FakeHetzner()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for variable in ("MAILFLEET_HETZNER_SELECTOR", "HCLOUD_NETWORK"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HCLOUD_ENDPOINT", fake.url)
    monkeypatch.setenv("HCLOUD_TOKEN", TOKEN)
    yield fake
    fake.shutdown()
    fake.server_close()
    thread.join()


def test_pyinfra_sees_roles_as_groups_over_all_pages(api, monkeypatch):
    monkeypatch.setenv("HCLOUD_NETWORK", "fleet")
    inventory = load()
    groups = {name: sorted(host.name for host in hosts) for name, hosts in inventory.groups.items()}
    assert groups == {
        "postal": ["postal1.example.com"],
        "postal_web": ["web"],
        "database": ["postal1.example.com"],
        "caddy": ["mx1", "postal1.example.com"],
        "mailserver": ["mx1"],
        "hetzner": ["mx1", "postal1.example.com", "web"],
    }
    assert sum("/servers" in request for request in api.requests) == 2


def test_pyinfra_sees_the_addresses(api, monkeypatch):
    monkeypatch.setenv("HCLOUD_NETWORK", "fleet")
    inventory = load()
    assert inventory.get_host("web").data.dict() == {
        "ssh_hostname": "192.0.2.2",
        "host_fqdn": "web.example.com",
        "host_public_ipv4": "192.0.2.2",
        "host_public_ipv6": "2001:db8:2::1",
        "host_private_ipv4": "10.7.0.2",
    }
    assert inventory.get_host("mx1").data.ssh_hostname == "2001:db8:3::1"


def test_a_selector_narrows_the_fleet(api, monkeypatch):
    monkeypatch.setenv("MAILFLEET_HETZNER_SELECTOR", "mailfleet=mailserver.caddy")
    inventory = load()
    assert [host.name for host in inventory] == ["mx1"]


def assert_fails(complaint: str, token: str = TOKEN, **options) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        hetzner.servers(token, **options)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_token_that_is_not_accepted(api):
    assert_fails("does not accept HCLOUD_TOKEN", token="wrong")


@pytest.mark.parametrize("token", ["", f"{TOKEN}\n", f"a {TOKEN}", "ä"])
def test_what_is_no_token_is_not_sent(api, token):
    assert_fails("HCLOUD_TOKEN is empty or no token", token=token)
    assert api.requests == []


def test_nothing_matches(api):
    assert_fails('no Hetzner server matches the label selector "none"', label_selector="none")


def test_an_unknown_network(api):
    assert_fails("no network nowhere: check HCLOUD_NETWORK", network="nowhere")


def test_several_networks_need_a_choice(api):
    assert_fails("web is in 2 private networks: name the one")


def test_another_error_of_the_api(api):
    api.answer = (503, error("unavailable", "try later"))
    assert_fails(r"the Hetzner API answers: try later \(unavailable\)")


def test_an_answer_that_is_no_json(api, monkeypatch):
    api.answer = (404, {})
    assert_fails("the Hetzner API answers: Not Found")


def test_the_network_is_down(api, monkeypatch):
    monkeypatch.setenv("HCLOUD_ENDPOINT", "http://127.0.0.1:1/v1")
    assert_fails(r"cannot reach the Hetzner API at http://127.0.0.1:1/v1 \(ConnectionError\)")


def test_pyinfra_shows_an_error_without_a_traceback(api, tmp_path):
    command = [sys.executable, "-m", "pyinfra", str(INVENTORY), "debug-inventory"]
    environ = {**os.environ, "HCLOUD_TOKEN": "wrong"}
    run = subprocess.run(
        command, check=False, env=environ, capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode != 0
    assert "does not accept HCLOUD_TOKEN" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
