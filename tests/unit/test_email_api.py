"""The e-mail API as settings describe it: aliases, certificate, image, and what is refused."""

import http.server
import os
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mailfleet.cli import main
from mailfleet.components.email_api.aliases import digest
from mailfleet.components.email_api.bundle import bundle
from mailfleet.components.email_api.issue_certificate import certificate
from mailfleet.components.email_api.probes import probes
from mailfleet.components.email_api.records import records
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import Secret
from mailfleet.secrets.generate import certificate_authority, ec_key, rsa_key
from tests.unit.conftest import Write

ROOT = Path(__file__).parents[2]
INVENTORY = """
_host = ("mx1", {"host_fqdn": "mx1.example.com", "host_private_ipv4": "10.0.0.2"})
email_api = [_host]
"""
SETTINGS = """
email_api_relay_host = "relay.example.net"
email_api_srs_domain = "example.com"
email_api_aliases = {"sales@example.com": ["anna@example.net"]}
"""


def _api(fleet_from: Write, more: str = "", inventory: str = INVENTORY):  # type: ignore[no-untyped-def]
    import dataclasses

    fleet = fleet_from("", inventory, all=SETTINGS + more)
    return dataclasses.replace(fleet, masked=True)


@pytest.fixture(autouse=True)
def _without_postal(fleet_from: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.conftest.POSTAL", "")


def _compose(fleet) -> str:  # type: ignore[no-untyped-def]
    wanted = bundle(fleet, fleet.hosts["mx1"])
    return wanted.file("/opt/email-api/compose.yaml").content.decode()


def test_the_certificate_is_the_same_each_time_and_the_authority_s() -> None:
    authority = Secret(certificate_authority("test")())
    key = Secret(ec_key()())
    pem = certificate(authority, key)
    assert pem == certificate(authority, key)
    leaf, issuer = x509.load_pem_x509_certificates(pem.encode())
    leaf.verify_directly_issued_by(issuer)
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    # What curl, Postfix and Python take for granted of a server's certificate.
    context = ssl.create_default_context(cadata=authority.reveal().partition("-----BEGIN PR")[0])
    assert context.get_ca_certs()


def test_an_image_built_on_the_host_is_named_by_its_source(fleet_from: Write) -> None:
    fleet = _api(fleet_from)
    wanted = bundle(fleet, fleet.hosts["mx1"])
    paths = {item.path for item in wanted.files}
    assert "/opt/email-api/build/email_api/app.py" in paths
    assert any("docker build" in check.command for check in wanted.checks)
    assert "pull_policy: never" in _compose(fleet)


def test_a_named_image_is_pulled(fleet_from: Write) -> None:
    fleet = _api(fleet_from, 'email_api_image = "registry.example.com/email-api"\n')
    wanted = bundle(fleet, fleet.hosts["mx1"])
    assert not any("/build/" in item.path for item in wanted.files)
    assert 'image: "registry.example.com/email-api:0.1.0"' in _compose(fleet)


def test_secrets_are_files_that_only_their_reader_can_read(fleet_from: Write) -> None:
    fleet = _api(fleet_from)
    secrets = [item for item in bundle(fleet, fleet.hosts["mx1"]).files if "/secrets/" in item.path]
    assert {item.path.rpartition("/")[2] for item in secrets} == {
        "psk",
        "admin_token",
        "database_password",
        "database_url",
        "certificate.pem",
        "key.pem",
        "srs_secret",
    }
    assert {(item.mode, item.secret) for item in secrets} == {(0o400, True)}
    assert {item.path for item in secrets if item.uid != 10001} == {
        "/opt/email-api/secrets/database_password"
    }


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("email_api_relay_host = None\n", "email_api_relay_host: is required"),
        ("email_api_srs_domain = None\n", "email_api_forward_sender"),
        ('email_api_forward_sender = "b@example.com"\n', "email_api_forward_sender"),
        ('email_api_aliases = {"a@example.com": ["a@example.com"]}\n', "leads to itself"),
        ('email_api_aliases = {"A@example.com": ["a@example.net"]}\n', "lower case"),
        ('email_api_relay_ca_file = "none.pem"\n', "none.pem: no such file"),
    ],
)
def test_what_cannot_work_is_refused(fleet_from: Write, more: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        _api(fleet_from, more)


MAILSERVER = """
from mailfleet.secrets import secret
mailserver_hostname = "mx1.example.com"
mailserver_domains = ["in.example.com"]
mailserver_postmaster = "sales@in.example.com"
mailserver_accounts = {"app@example.com": secret("mailserver/app")}
mailserver_tls = "given"
email_api_aliases = {"sales@in.example.com": ["anna@example.net"]}
"""
BOTH = INVENTORY + "mailserver = [_host]\n"


def test_a_domain_whose_bounces_would_not_come_back_is_refused(fleet_from: Write) -> None:
    told = "email_api_srs_domain: example.com is not in mailserver_domains"
    with pytest.raises(SettingsError, match=told):
        _api(fleet_from, MAILSERVER, BOTH)


def test_a_domain_of_the_mailserver_is_taken(fleet_from: Write) -> None:
    _api(fleet_from, f'{MAILSERVER}email_api_srs_domain = "in.example.com"\n', BOTH)


SEALED = (
    MAILSERVER
    + """
from mailfleet.secrets.generate import rsa_key
email_api_srs_domain = "in.example.com"
email_api_arc_key = secret("email_api/arc_key", rsa_key(2048))
"""
)


def test_a_seal_without_checks_is_refused(fleet_from: Write) -> None:
    with pytest.raises(SettingsError, match="email_api_arc_key: mx1 checks no senders"):
        _api(fleet_from, SEALED, BOTH)


def test_a_seal_has_its_key_and_its_record(fleet_from: Write) -> None:
    fleet = _api(fleet_from, f"{SEALED}mailserver_rspamd = True\n", BOTH)
    compose = _compose(fleet)
    assert "ARC_DOMAIN: in.example.com" in compose
    assert "ARC_AUTHSERV_ID: mx1.example.com" in compose
    assert bundle(fleet, fleet.hosts["mx1"]).file("/opt/email-api/secrets/arc_key").secret
    with pytest.MonkeyPatch.context() as patched:
        key = Secret(rsa_key()())
        patched.setattr(Fleet, "value", lambda *_: key)
        (record,) = records(fleet)
    assert record.name == "arc._domainkey.in.example.com"
    assert record.values[0].startswith("v=DKIM1; h=sha256; k=rsa; p=MII")


class TestAliasFile:
    def test_it_adds_to_the_settings(self, fleet_from: Write, tmp_path: Path) -> None:
        (tmp_path / "aliases.yaml").write_text(
            "info@example.com: [anna@example.net]\n"
            "off@example.com: {mailboxes: [anna@example.net], enabled: false}\n"
        )
        aliases = _api(fleet_from).hosts["mx1"][EmailApiSettings].aliases
        assert set(aliases) == {"sales@example.com", "info@example.com"}

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("sales@example.com: [anna@example.net]\n", "in aliases.yaml and in group_data"),
            ("a@example.com: [x]\n", "not an e-mail address"),
            ("a@example.com: anna@example.net\n", "a@example.com: write"),
            ("a@example.com: [\n", "aliases.yaml:"),
            ("a@b.test: [x@b.test]\na@b.test: [y@b.test]\n", "aliases.yaml:2: .* is there twice"),
        ],
    )
    def test_mistakes_name_the_file(
        self, fleet_from: Write, tmp_path: Path, content: str, told: str
    ) -> None:
        (tmp_path / "aliases.yaml").write_text(content)
        with pytest.raises(SettingsError, match=told):
            _api(fleet_from)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def _run(self, *arguments: str, code: int = 0, text: str = "") -> str:
        outcome = CliRunner().invoke(main, ["alias", *arguments], input=text)
        assert outcome.exit_code == code, outcome.output
        return outcome.output

    def test_comments_and_other_lines_stay(self) -> None:
        file = Path("aliases.yaml")
        file.write_text(
            "# Sales\nsales@example.com: [a@example.net]  # Anna\nx@b.test: [y@b.test]\n"
        )
        self._run("add", "sales@example.com", "b@example.net", "c@example.net")
        self._run("add", "@catch.example.com", "a@example.net")
        self._run("disable", "x@b.test")
        assert file.read_text() == (
            "# Sales\n"
            "sales@example.com: [b@example.net, c@example.net]  # Anna\n"
            "x@b.test: {mailboxes: [y@b.test], enabled: false}\n"
            '"@catch.example.com": [a@example.net]\n'
        )
        assert "x@b.test: y@b.test  (disabled)" in self._run("list")
        self._run("add", "x@b.test", "y@b.test")
        assert "disabled" not in self._run("list")

    def test_import_is_all_or_nothing(self) -> None:
        good = "Info@Example.com  a@example.net, b@example.net  # two\n\n@x.test: c@example.net\n"
        self._run("import", "-", text=good)
        assert self._run("list").splitlines() == [
            "info@example.com: a@example.net, b@example.net",
            "@x.test: c@example.net",
        ]
        before = Path("aliases.yaml").read_bytes()
        told = self._run("import", "-", text="new@x.test a@b.test\nbad\n", code=1)
        assert "line 2: bad has no mailbox" in told
        assert Path("aliases.yaml").read_bytes() == before

    def test_an_entry_of_several_lines_is_left_to_the_operator(self) -> None:
        Path("aliases.yaml").write_text("a@b.test:\n  - x@b.test\n")
        told = self._run("add", "a@b.test", "y@b.test", code=1)
        assert "make this change in an editor" in told
        assert Path("aliases.yaml").read_text() == "a@b.test:\n  - x@b.test\n"

    @pytest.mark.parametrize("address", ["A@example.com", "x", "a b@example.com", "x@"])
    def test_what_is_no_alias_is_refused(self, address: str) -> None:
        assert "Error" in self._run("add", address, "a@example.net", code=1)
        assert not Path("aliases.yaml").exists()


def test_both_sides_make_the_same_digest() -> None:
    """The API's own code, where its dependencies are installed."""
    python = ROOT / "files/email-api/.venv/bin/python"
    if not python.exists():
        pytest.skip("`make test-email-api` installs the API's dependencies")
    code = (
        "from email_api.store import Alias, digest; "
        "two = Alias('ü@b.test', ('y@b.test', 'x@b.test')), Alias('@b.test', ('z@c.test',)); "
        "print(digest(two))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    ours = digest({"@b.test": ["z@c.test"], "ü@b.test": ["x@b.test", "y@b.test"]})
    assert done.stdout.strip() == ours


_READY = b'{"database":"ok","redis":"ok","relay":"relay: 450 busy"}'


class _Ready(http.server.BaseHTTPRequestHandler):
    """As the API answers while its relay does not take mail."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", str(len(_READY)))
        self.end_headers()
        self.wfile.write(_READY)

    def log_message(self, *_: object) -> None:
        pass


def test_the_part_that_is_not_ready_is_named(fleet_from: Write, tmp_path: Path) -> None:
    fleet = _api(fleet_from)
    (ready,) = (it for it in probes(fleet, fleet.hosts["mx1"]) if it.name == "ready")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=mx1.test -days 1"
    both = tmp_path / "both.pem"
    made = subprocess.run(
        [*command.split(), "-keyout", "/dev/stdout", "-out", "/dev/stdout"],
        capture_output=True,
        check=True,
    )
    both.write_bytes(made.stdout)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    (tmp_path / "docker").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ready) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            ["sh", "-c", ready.command.replace("127.0.0.1", f"127.0.0.1:{server.server_port}")],
            env={"PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            check=False,
        )
        server.shutdown()
    assert (done.returncode, done.stdout) == (1, _READY)
