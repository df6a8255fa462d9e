"""What an operator gets wrong: each case one clear line, exit code 1, and no host contacted."""

import subprocess
from pathlib import Path

import pytest

from tests.lab.console import Operator

# Nobody has these names and addresses (RFC 6761, RFC 5737): to connect would be another error.
_FLEET = """
from mailfleet.secrets import generate, secret

def _host(name, address):
    return (name, {{"host_fqdn": f"{{name}}.lab.test", "host_public_ipv4": address}})

_postal1, _mx1, _postal2 = (
    _host(f"{{name}}", f"192.0.2.{{number}}")
    for number, name in enumerate(("postal1", "mx1", "postal2"), start=1)
)
_settings = {{
    "dns_report": False,
    "secrets_file": "{secrets}/secrets.age",
    "secrets_identity": "{secrets}/identity.txt",
    "postal_web_hostname": "postal.lab.test",
    "postal_smtp_hostname": "mx.postal.lab.test",
    "postal_helo_hostname": "postal1.lab.test",
    "postal_admin_email": "admin@lab.test",
    "mailserver_hostname": "mx1.lab.test",
    "mailserver_domains": ["in.lab.test"],
    "mailserver_postmaster": "postmaster@in.lab.test",
    "mailserver_accounts": {{"app@lab.test": secret("mailserver/app", generate.password(32))}},
    "email_api_aliases": {{"postmaster@in.lab.test": ["inbox@internet.test"]}},
    "email_api_relay_host": "mx.internet.test",
    "email_api_srs_domain": "in.lab.test",
    "caddy_acme_email": "admin@lab.test",
}}
"""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """The operator of a fleet that is right, with its secrets, and whose hosts do not exist."""
    directory = tmp_path_factory.mktemp("fleet")
    source = directory / "fleet.py"
    source.write_text(_FLEET.format(secrets=directory))
    found = Operator(source=source).variant(directory, "")
    found.run("mailfleet", "secrets", "init", found.inventory).ok()
    return found


_SETTINGS = {
    "misspelt key": (
        'settings["postal_web_hostnam"] = "postal.lab.test"',
        ("postal_web_hostnam:", "did you mean postal_web_hostname?"),
    ),
    "wrong type": (
        'settings["postal_smtp_ports"] = ["25"]',
        ("postal_smtp_ports:", "valid integer"),
    ),
    "invalid domain name": (
        'settings["postal_web_hostname"] = "postal.lab.test; reboot"',
        ("postal_web_hostname:", "fully qualified"),
    ),
    "domain name with YAML in it": (
        'settings["postal_track_domains"] = ["a.lab.test\\n  privileged: true"]',
        ("postal_track_domains:", "fully qualified"),
    ),
    "two components on one port": (
        'settings["postal_smtp_ports"] = [25, 443]',
        ("port 443/tcp is taken twice", "caddy", "postal_smtp_ports"),
    ),
    "host in no group": (
        'groups["caddy"], groups["mailservers"] = ["postal1"], ["mx1"]\n'
        'groups["mailserver"], groups["email_api"] = [], []',
        ("host mx1", "is in no role group", "did you mean mailserver?"),
    ),
    "a word where a number belongs, which Postal takes for 0": (
        'settings["postal_config"] = {"postal": {"default_spam_threshold": "high"}}',
        ("default_spam_threshold", "a whole number is needed"),
    ),
    "a relay that Postal would silently leave out": (
        'settings["postal_relays"] = ["relay.internet.test:25"]',
        ("postal_relays", "smtp://"),
    ),
    "secret as plain text": (
        'settings["postal_rails_secret_key"] = "plain-text-secret"',
        ("postal_rails_secret_key:", "takes a reference"),
    ),
}


@pytest.mark.parametrize(("changes", "words"), _SETTINGS.values(), ids=_SETTINGS.keys())
def test_wrong_settings_are_refused_before_the_first_connection(
    operator: Operator, tmp_path: Path, changes: str, words: tuple[str, ...]
) -> None:
    outcome = operator.variant(tmp_path, changes).deploy()
    outcome.refused(*words)
    assert "Connecting to hosts" not in outcome.screen
    assert "plain-text-secret" not in outcome.screen


def test_mailfleet_says_the_same_as_pyinfra(operator: Operator, tmp_path: Path) -> None:
    changes, words = _SETTINGS["misspelt key"]
    wrong = operator.variant(tmp_path, changes)
    for command in (("settings",), ("health",), ("secrets", "list"), ("secrets", "init")):
        wrong.run("mailfleet", *command, wrong.inventory).refused(*words)
    wrong.run("mailfleet", "render", wrong.inventory, "postal1").refused(*words)


def test_no_such_inventory(operator: Operator) -> None:
    operator.run("mailfleet", "health", "inventories/none.py").refused("none.py", "no such")


def test_missing_secrets_are_named_with_the_remedy(operator: Operator, tmp_path: Path) -> None:
    missing = operator.variant(
        tmp_path,
        'for key in ("secrets_file", "secrets_identity"): settings.pop(key)\n'
        'settings["secrets_backend"] = "environment"',
    )
    missing.deploy().refused("postal/rails_secret_key", "MAILFLEET_SECRET_POSTAL_RAILS_SECRET_KEY")

    empty = operator.variant(tmp_path, f'settings["secrets_file"] = {str(tmp_path / "new.age")!r}')
    empty.deploy().refused("mailfleet secrets init")


def test_an_age_key_that_cannot_be_read(operator: Operator, tmp_path: Path) -> None:
    absent = tmp_path / "absent.txt"
    operator.variant(tmp_path, f'settings["secrets_identity"] = {str(absent)!r}').deploy().refused(
        str(absent)
    )

    garbage = tmp_path / "garbage.txt"
    garbage.write_text("not an age identity\n")
    garbage.chmod(0o600)
    operator.variant(tmp_path, f'settings["secrets_identity"] = {str(garbage)!r}').deploy().refused(
        str(garbage)
    )

    other = tmp_path / "other.txt"
    subprocess.run(["age-keygen", "-o", other], check=True, capture_output=True)
    operator.variant(tmp_path, f'settings["secrets_identity"] = {str(other)!r}').deploy().refused(
        "secrets.age"
    )
