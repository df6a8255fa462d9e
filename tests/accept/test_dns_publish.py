"""`mailfleet dns publish`, over RFC 2136 to a real Knot DNS."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailfleet.deploying.records import desired_records
from mailfleet.fleet.fleet import Fleet
from tests.accept.knot import KEY, KEY_NAME, Knot, knot
from tests.unit.conftest import fleet_from
from tests.unit.dns.conftest import INVENTORY as INVENTORY_LINES
from tests.unit.dns.conftest import postal_fleet, signing_key

__all__ = ["fleet_from", "postal_fleet", "signing_key"]

INVENTORY = "inventories/test.py"
MAIN = "from mailfleet.cli import main; main()"
REVERSE = ["2.0.192.in-addr.arpa", "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]
EXAMPLE_COM = """
www A 192.0.2.80
@ TXT "token-of-another-service"
@ MX 10 mail.example.net.
"""
MakeFleet = Callable[..., Fleet]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Knot]:
    directory = tmp_path / "knot"
    directory.mkdir()
    zones = {"example.com": EXAMPLE_COM} | dict.fromkeys(["example.org", *REVERSE], "")
    with knot(directory, zones) as running:
        yield running


@pytest.fixture
def fleet(
    server: Knot, postal_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Fleet]:
    """The fleet whose zones that server has, with further settings."""

    def make(extra: str = "", key: str = KEY, inventory: str = INVENTORY_LINES) -> Fleet:
        monkeypatch.setenv("MAILFLEET_SECRET_DNS_TSIG", key)
        zones = ["example.com", "example.org", *REVERSE]
        provider = f'Rfc2136(server="127.0.0.1", port={server.port}, key_name="{KEY_NAME}")'
        lines = [
            "from mailfleet.dns.settings import Rfc2136",
            f"dns_zones = dict.fromkeys({zones}, {provider})",
            f'dns_resolvers = ["127.0.0.1:{server.port}"]',
        ]
        return postal_fleet("\n".join([*lines, extra]), inventory)

    return make


@dataclass(frozen=True)
class Outcome:
    """What an operator sees of one command."""

    exit_code: int
    output: str


def mailfleet(*arguments: str) -> Outcome:
    """In a process of its own: pyinfra reads group_data once in each."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "dns", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert "Traceback" not in done.stdout, done.stdout
    return Outcome(done.returncode, done.stdout)


def publish(*arguments: str) -> Outcome:
    return mailfleet("publish", INVENTORY, *arguments)


def check(server: Knot, *arguments: str) -> Outcome:
    address = f"127.0.0.1:{server.port}"
    return mailfleet("check", INVENTORY, "--server", address, "--strict", *arguments)


def test_publish_to_an_empty_zone_makes_the_check_pass(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    loaded = fleet('postal_sending_domains = ["example.org"]')
    bare = check(server, "--save", "bare.json")
    assert bare.exit_code == 2
    assert mailfleet("check", INVENTORY, "--strict", "--replay", "bare.json") == bare
    done = publish("--yes")
    assert done.exit_code == 0, done.output
    # The last field of the SOA record.
    assert "example.com: resolvers that were queried for these names before" in done.output
    assert "cache for up to 60 s" in done.output
    for record in desired_records(loaded):
        assert server.values(record.name, record.type) >= set(record.lines), record
    clean = check(server)
    assert clean.exit_code == 0, clean.output
    again = publish("--yes")
    assert "remembers" not in again.output
    assert (again.exit_code, again.output.splitlines()[-1]) == (
        0,
        "0 to create, 0 to update, 0 to delete, 0 conflicting",
    )


def test_dry_run_prints_the_plan_and_changes_nothing(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    fleet()
    before = server.values("example.com", "SOA")
    dry = publish("--dry")
    assert dry.exit_code == 2
    assert "+ create rp.postal.example.com MX\n      + 10 mx.postal.example.com.\n" in dry.output
    assert server.values("example.com", "SOA") == before
    assert publish("--yes").output.startswith(dry.output)


def test_removed_domain_is_deleted_and_unmanaged_records_stay(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    fleet('postal_sending_domains = ["example.com"]')
    assert publish("--yes").exit_code == 0
    assert server.values("example.com", "TXT") == {
        '"token-of-another-service"',
        '"v=spf1 include:spf.postal.example.com a mx ~all"',
    }
    fleet()
    gone = publish("--yes")
    assert gone.exit_code == 0, gone.output
    assert "- delete psrp.example.com CNAME" in gone.output
    assert server.values("example.com", "TXT") == {'"token-of-another-service"'}
    assert server.values("psrp.example.com", "CNAME") == set()
    assert server.values("www.example.com", "A") == {"192.0.2.80"}


def test_unmanaged_record_is_changed_only_with_take(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    fleet('postal_web_hostname = "www.example.com"\npostal_track_domains = []')
    blocked = publish("--yes")
    assert blocked.exit_code == 2
    assert "! conflict www.example.com A" in blocked.output
    assert server.values("www.example.com", "A") == {"192.0.2.80"}
    stranger = publish("--yes", "--take", "ww.example.com")
    assert stranger.exit_code == 1
    assert "--take ww.example.com: the fleet has no record with this name" in stranger.output
    assert publish("--yes", "--take", "www.example.com").exit_code == 0
    assert server.values("www.example.com", "A") == {"192.0.2.10"}
    assert publish("--dry").exit_code == 0


def test_a_change_of_many_records_stops_unless_forced(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    fleet()
    assert publish("--yes").exit_code == 0
    fleet("dns_ttl = 600")
    stopped = publish("--yes")
    assert stopped.exit_code == 1
    assert re.search(
        r"mailfleet: example.com: \d+ of \d+ managed records to update, more than 30%",
        stopped.output,
    )
    assert "add --force" in stopped.output
    assert publish("--yes", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmchd3I=", "does not accept the key mailfleet"),
        ("not base64", "set dns/tsig again with `mailfleet secrets set`"),
    ],
)
def test_wrong_key_error_does_not_show_the_key(
    fleet: Callable[..., Fleet], key: str, remedy: str
) -> None:
    fleet(key=key)
    done = publish("--yes")
    assert done.exit_code == 1
    assert remedy in done.output.splitlines()[-1]
    assert key not in done.output


REPORT = "from mailfleet.deploying import dns_gate; dns_gate.report()"
"""The last line of the deploys of components."""


def deploy_dns(*options: str, file: Path | None = None) -> Outcome:
    """The deploy file as an operator runs it, on a host that is never logged in to."""
    root = Path(__file__).parents[2]
    shutil.copy(root / "config.py", "config.py")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pyinfra",
            *options,
            INVENTORY,
            str(file or root / "deploys/dns.py"),
        ],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert "Traceback" not in done.stdout, done.stdout
    return Outcome(done.returncode, done.stdout)


def test_a_deploy_fails_while_a_required_record_is_wrong(
    fleet: Callable[..., Fleet], server: Knot, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = INVENTORY_LINES.replace('("postal1", {', '("@local", {')
    loaded = fleet(inventory=local)
    for use in loaded.secret_uses:
        variable = "MAILFLEET_SECRET_" + re.sub("[^A-Z0-9]", "_", use.ref.name.upper())
        if use.ref.generate and variable not in os.environ:
            monkeypatch.setenv(variable, use.ref.generate())
    dry = deploy_dns("--dry")
    assert (dry.exit_code, "fail     rp.postal.example.com MX" in dry.output) == (0, True), (
        dry.output
    )
    bare = deploy_dns("-y")
    assert bare.exit_code != 0
    assert "required records are missing or wrong" in bare.output
    assert "remedy   rp.postal.example.com. IN MX 10 mx.postal.example.com." in bare.output
    reporting = Path("report.py")
    reporting.write_text(REPORT)
    told = deploy_dns("-y", file=reporting)
    assert told.exit_code == 0, told.output
    assert "DNS: 15 required records are missing or wrong" in told.output, told.output
    assert "fail     postal1.example.com A  no such name" in told.output
    limited = deploy_dns("-y", "--limit", "@local", file=reporting)
    assert (limited.exit_code, "DNS: " in limited.output) == (0, False), limited.output
    assert publish("--yes").exit_code == 0
    full = deploy_dns("-y")
    assert full.exit_code == 0, full.output
    fleet('dns_resolvers = ["127.0.0.1:9"]', inventory=local)
    silent = deploy_dns("-y", file=reporting)
    assert silent.exit_code == 0, silent.output
    assert silent.output.count("DNS") == 2
    assert "DNS check skipped: DNS: 127.0.0.1:9: server not reachable" in silent.output


def test_watch_ends_when_records_are_published_and_prints_changes(
    fleet: Callable[..., Fleet], server: Knot
) -> None:
    fleet()
    check(server)
    address = f"127.0.0.1:{server.port}"
    command = ["check", INVENTORY, "--server", address, "--watch", "2"]
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "dns", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr is not None
        first = watching.stderr.readline()
        assert first.startswith("not yet correct: postal1.example.com A")
        assert "resolvers may cache the answers for 60 s" in first
        assert publish("--yes").exit_code == 0
        _, errors = watching.communicate(timeout=120)
    assert watching.returncode == 0
    assert "  fixed   rp.postal.example.com MX mx\n" in errors
