"""What an operator gets wrong: each case one clear line, exit code 1, and no host changed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine

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


def test_an_age_key_that_cannot_be_read(operator: Operator, lab: Lab, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("caddy/Caddyfile.j2", "{{ no_such_variable }}", ("Caddyfile.j2", "no_such_variable")),
        ("postal/compose.yaml.j2", "{% if %}", ("compose.yaml.j2", "Expected an expression")),
    ],
)
def test_a_broken_template_is_named_with_its_line(
    operator: Operator, copied_tree: Operator, name: str, line: str, words: tuple[str, ...]
) -> None:
    template = copied_tree.directory / "templates" / name
    text = template.read_text()
    template.write_text(f"{text}{line}\n")
    number = len(text.splitlines()) + 1
    copied_tree.deploy().refused(*words, f":{number}:")
    render = copied_tree.run("mailfleet", "render", copied_tree.inventory, "postal1")
    render.refused(*words, f":{number}:")


def test_a_host_that_does_not_answer(operator: Operator, tmp_path: Path) -> None:
    away = operator.variant(tmp_path, 'postal1["ssh_port"] = 9')
    away.deploy().refused("postal1", "Could not connect")
    away.dry().refused("postal1", "Could not connect")
    health = away.run("mailfleet", "health", away.inventory, "--role", "postal")
    assert health.code == 1
    assert "cannot log in" in health.screen


def test_a_wrong_ssh_key(operator: Operator, tmp_path: Path) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    wrong = operator.variant(tmp_path, f'postal1["ssh_key"] = {str(key)!r}')
    wrong.deploy().refused("postal1", "Authentication")


def test_a_host_key_that_is_not_the_known_one(operator: Operator, lab: Lab, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    other = lab.hosts["postal2"]
    lines = [
        line
        for line in lab.known_hosts_file.read_text().splitlines()
        if str(other.ssh_port) in line
    ]
    key = lines[0].split(" ", 1)[1]
    known.write_text(f"[127.0.0.1]:{lab.hosts['postal1'].ssh_port} {key}\n")
    wrong = operator.variant(tmp_path, f'postal1["ssh_known_hosts_file"] = {str(known)!r}')
    wrong.deploy().refused("postal1", "host key")


@pytest.fixture
def without_sudo(mx1: Machine, lab: Lab) -> Iterator[str]:
    """A user on mx1 who may log in and may not use sudo."""
    name = "nosudo"
    mx1.run(
        f"useradd --create-home --shell /bin/bash {name}; "
        f"install -d -m 700 -o {name} /home/{name}/.ssh; "
        f"install -m 600 -o {name} ~admin/.ssh/authorized_keys /home/{name}/.ssh/"
    )
    yield name
    mx1.run(
        f"loginctl terminate-user {name}; while pgrep -u {name} >/dev/null; do :; done; "
        f"userdel --remove {name} 2>/dev/null; ! id {name} 2>/dev/null"
    )


def test_a_user_whom_sudo_refuses(operator: Operator, tmp_path: Path, without_sudo: str) -> None:
    refused = operator.variant(tmp_path, f'mx1["ssh_user"] = "{without_sudo}"')
    outcome = refused.deploy("--limit", "mx1", deploy="deploys/base.py")
    outcome.refused("mx1", "sudo")
