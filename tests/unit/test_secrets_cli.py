"""`mailfleet secrets`, run as an operator would, with a fleet of three secrets."""

import importlib
import os
import select
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.secrets import Secret, SecretUse, StoreSettings, generate, secret
from mailfleet.secrets.age import AgeStore
from mailfleet.secrets.environment import PREFIX

# Not by `from`: the package has the command group under the same name.
module = importlib.import_module("mailfleet.cli.secrets")
CANARY = "canary-5c1d"
USES = [
    SecretUse(secret("postal/signing_key", generate.rsa_key()), "postal1 postal_signing_key"),
    SecretUse(secret("database/root", generate.password()), "postal1 mariadb_root_password"),
    SecretUse(secret("database/root"), "mx1 mariadb_root_password"),
    SecretUse(secret("slack/webhook"), "all health_slack_webhook"),
]


class Operator:
    """Runs the commands and holds every output against the canary."""

    def __init__(self, settings: StoreSettings, uses: list[SecretUse]) -> None:
        self.settings = settings
        self.uses = uses

    @property
    def store(self) -> AgeStore:
        return self.settings.open()

    def __call__(self, *arguments: str, status: int = 0, **options) -> str:
        result = CliRunner().invoke(module.secrets, arguments, **options)
        assert result.exit_code == status, result.output
        assert CANARY not in result.output
        assert CANARY not in repr(result.exception)
        assert "Traceback" not in result.output
        return result.output


@pytest.fixture
def operator(tmp_path, monkeypatch) -> Operator:
    settings = StoreSettings("age", tmp_path / "secrets" / "fleet.age", tmp_path / "id.txt")
    operator = Operator(settings, list(USES))
    monkeypatch.setattr(module, "_fleet", lambda inventory: (operator.settings, operator.uses))
    return operator


@pytest.fixture
def ready(operator) -> Operator:
    operator("init", "prod.py")
    operator("set", "prod.py", "slack/webhook", input=f"{CANARY}-slack\n")
    return operator


@pytest.fixture
def in_environment(operator, monkeypatch) -> Operator:
    monkeypatch.setenv(PREFIX + "DATABASE_ROOT", CANARY)
    operator.settings = StoreSettings("environment", Path("unused"))
    return operator


# init


def test_init_makes_what_it_can_and_says_what_is_left(operator):
    output = operator("init", "prod.py")
    assert f"Created the identity {operator.settings.identity}. Back it up" in output
    assert "Generated database/root.\nGenerated postal/signing_key.\n" in output
    assert "To set: slack/webhook, with `mailfleet secrets set prod.py slack/webhook`" in output
    assert operator.store.names() == ["database/root", "postal/signing_key"]
    assert operator.store.get("database/root").reveal() not in output
    assert operator.settings.identity.stat().st_mode & 0o777 == 0o600


def test_init_twice_changes_nothing(ready):
    before = snapshot(ready)
    assert ready("init", "prod.py") == "All secrets are set.\n"
    assert snapshot(ready) == before


def test_init_never_overwrites_and_adds_what_is_new(ready):
    ready("set", "prod.py", "database/root", input=CANARY)
    ready.uses.append(SecretUse(secret("api/token", generate.token()), "mx1 email_api_token"))
    assert ready("init", "prod.py") == "Generated api/token.\n"
    assert ready.store.get("database/root") == Secret(CANARY)


def test_init_makes_no_identity_for_a_file_that_it_could_not_open(ready):
    ready.settings.identity.unlink()
    output = ready("init", "prod.py", status=1)
    assert output.startswith("Error: ")
    assert "restore that from your backup" in output
    assert not ready.settings.identity.exists()


def test_init_with_the_environment_lists_the_variables(in_environment):
    output = in_environment("init", "prod.py")
    assert "slack/webhook, in the environment variable MAILFLEET_SECRET_SLACK_WEBHOOK" in output
    assert "database/root" not in output


# list


def test_list_before_init(operator):
    output = operator("list", "prod.py")
    assert "missing: init makes it (password of 32 letters and digits)" in output
    assert "missing: set it" in output


def test_list_shows_states_and_users(ready):
    ready.uses = ready.uses[:3]
    lines = ready("list", "prod.py").splitlines()
    assert [line.split()[0] for line in lines] == [
        "NAME", "database/root", "postal/signing_key", "slack/webhook"
    ]  # fmt: skip
    assert lines[1].endswith("postal1 mariadb_root_password, mx1 mariadb_root_password")
    assert lines[3].endswith("set, not used")
    assert len({line.index("set") for line in lines[1:]}) == 1


def test_list_of_the_environment(in_environment):
    lines = in_environment("list", "prod.py").splitlines()
    assert lines[1].split()[:2] == ["database/root", "set"]
    assert "missing: set MAILFLEET_SECRET_SLACK_WEBHOOK" in lines[3]


def test_list_reports_a_wrong_identity_in_one_line(ready):
    ready.settings.identity.chmod(0o644)
    output = ready("list", "prod.py", status=1)
    assert output.count("\n") == 1
    assert "chmod 600" in output


# set


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\nb\n", "a\nb\n"), (" a ", " a ")],
)
def test_set_from_standard_input(ready, typed, kept):
    output = ready("set", "prod.py", "slack/webhook", input=typed)
    assert output.startswith("slack/webhook is set.\nTakes effect with the next deploy of:\n")
    assert ready.store.get("slack/webhook") == Secret(kept)


def test_set_from_a_file(ready, tmp_path):
    (tmp_path / "key.pem").write_text(f"-----BEGIN-----\n{CANARY}\n")
    ready("set", "prod.py", "postal/signing_key", "--file", str(tmp_path / "key.pem"))
    assert ready.store.get("postal/signing_key") == Secret(f"-----BEGIN-----\n{CANARY}\n")


@pytest.mark.parametrize("data", [b"", b"\n", CANARY.encode() + b"\xff"])
def test_set_refuses_no_value(ready, data):
    before = snapshot(ready)
    assert "nothing was changed" in ready("set", "prod.py", "slack/webhook", input=data, status=2)
    assert snapshot(ready) == before


def test_set_takes_no_value_as_argument(ready):
    before = snapshot(ready)
    result = CliRunner().invoke(module.secrets, ["set", "prod.py", "slack/webhook", "value"])
    assert result.exit_code == 2
    assert snapshot(ready) == before


def test_set_notes_a_misspelt_name(ready):
    output = ready("set", "prod.py", "slack/webhok", input="a")
    assert "no setting of this fleet uses slack/webhok; did you mean slack/webhook?" in output


def test_set_explains_names(ready):
    assert "NAME is not a name for a secret" in ready("set", "prod.py", "Slack!", status=2)


def test_set_before_init(operator):
    assert "mailfleet secrets init" in operator("set", "prod.py", "a", input=CANARY, status=1)


def test_set_in_the_environment(in_environment):
    output = in_environment("set", "prod.py", "database/root", input=CANARY, status=2)
    assert "the values come from the environment" in output


def test_the_prompt_does_not_echo(ready):
    """On a real terminal: what is typed does not come back."""
    master, slave = os.openpty()
    shown = b""
    child = start_cli(
        ready, "set", "prod.py", "slack/webhook", stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    for prompt in (b"slack/webhook: ", b"confirmation: "):
        shown += read_until(master, prompt)
        os.write(master, f"{CANARY}\n".encode())
    shown += read_until(master, b"is set.")
    assert child.wait(30) == 0
    os.close(master)
    assert CANARY.encode() not in shown
    assert ready.store.get("slack/webhook") == Secret(CANARY)


# edit


def test_edit_changes_adds_and_removes(ready, editor):
    editor(
        f"""
        assert "{CANARY}-slack" in text
        lines = [line for line in text.splitlines() if not line.startswith("database/root")]
        text = "\\n".join(lines).replace("{CANARY}-slack", "{CANARY}-new") + "\\nnew: {CANARY}\\n"
        """
    )
    output = ready("edit", "prod.py")
    assert output.splitlines() == [
        "new was added.", "slack/webhook was changed.", "database/root was removed."
    ]  # fmt: skip
    assert ready.store.get("slack/webhook") == Secret(f"{CANARY}-new")
    assert ready.store.names() == ["new", "postal/signing_key", "slack/webhook"]


@pytest.mark.parametrize("code", ["", "text = ''", "text = text + '# a comment'"])
def test_edit_without_a_change(ready, editor, code):
    before = snapshot(ready)
    editor(code)
    assert ready("edit", "prod.py") == "Nothing was changed.\n"
    assert snapshot(ready) == before


def test_edit_opens_invalid_yaml_again(ready, editor):
    editor(
        f"""
        broken = "\\nnew: [{CANARY}"
        text = text.replace(broken, "\\nnew: good\\n") if broken in text else text + broken
        """
    )
    output = ready("edit", "prod.py", input="y\n")
    assert "not valid YAML" in output
    assert "new was added." in output
    assert ready.store.get("new") == Secret("good")


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_edit_given_up_leaves_the_store(ready, editor, answer):
    before = snapshot(ready)
    editor(f"text += '{CANARY}: ['")
    ready("edit", "prod.py", input=answer, status=1)
    assert snapshot(ready) == before


def test_edit_with_a_failing_editor(ready, editor):
    before = snapshot(ready)
    editor(f"text += 'new: {CANARY}'; status = 3")
    assert "ended with status 3" in ready("edit", "prod.py", status=1)
    assert snapshot(ready) == before


def test_edit_without_an_editor(ready, monkeypatch):
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    assert "cannot start the editor" in ready("edit", "prod.py", status=1)


def test_the_edited_text_is_private_and_removed(ready, editor, tmp_path):
    editor(f"path.with_suffix('.swp').write_text('x'); open({str(tmp_path / 'seen')!r}, 'w')."
           "write(f'{path} {path.stat().st_mode:o} {path.parent.stat().st_mode:o}')")  # fmt: skip
    ready("edit", "prod.py")
    path, mode, directory_mode = (tmp_path / "seen").read_text().split()
    assert stat.S_IMODE(int(mode, 8)) == 0o600
    assert stat.S_IMODE(int(directory_mode, 8)) == 0o700
    assert not Path(path).parent.exists()
    if os.access("/dev/shm", os.W_OK):
        assert path.startswith("/dev/shm/")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_edited_text_is_removed_when_the_command_is_killed(ready, editor, tmp_path, number):
    seen = tmp_path / "seen"
    editor(f"open({str(seen)!r}, 'w').write(str(path)); import time; time.sleep(30)")
    before = snapshot(ready)
    child = start_cli(ready, "edit", "prod.py")
    wait_for(lambda: seen.exists() and seen.read_text())
    child.send_signal(number)
    assert child.wait(30) == 128 + number
    assert not Path(seen.read_text()).parent.exists()
    assert snapshot(ready) == before


def test_edit_keeps_what_another_process_wrote_meanwhile(ready, editor):
    store, identity = ready.settings.file, ready.settings.identity
    editor(
        f"""
        from mailfleet.secrets import Secret, open_store
        from pathlib import Path
        open_store("age", Path({str(store)!r}), Path({str(identity)!r})).set("b", Secret("other"))
        text += "a: mine\\n"
        """
    )
    ready("edit", "prod.py")
    assert ready.store.get("a") == Secret("mine")
    assert ready.store.get("b") == Secret("other")


def test_edit_in_the_environment(in_environment):
    assert "come from the environment" in in_environment("edit", "prod.py", status=2)


# rotate


def test_rotate_makes_a_new_value_and_says_what_to_deploy(ready):
    before = ready.store.get("database/root")
    output = ready("rotate", "prod.py", "database/root")
    assert output.splitlines() == [
        "Rotated database/root.",
        "Takes effect with the next deploy of:",
        "  postal1 mariadb_root_password",
        "  mx1 mariadb_root_password",
    ]
    assert ready.store.get("database/root") != before
    assert ready.store.get("database/root").reveal() not in output


def test_rotating_the_signing_key_needs_agreement(ready):
    before = snapshot(ready)
    output = ready("rotate", "prod.py", "postal/signing_key", status=2)
    assert "DKIM" in output
    assert "--yes" in output
    assert snapshot(ready) == before
    assert "webhooks" in ready("rotate", "prod.py", "postal/signing_key", "--yes")
    assert snapshot(ready) != before


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("slack/webhook", "slack/webhook is not generated"),
        ("database/rot", "did you mean database/root?"),
    ],
)
def test_what_cannot_be_rotated(ready, name, complaint):
    before = snapshot(ready)
    assert complaint in " ".join(ready("rotate", "prod.py", name, status=2).split())
    assert snapshot(ready) == before


def test_rotate_what_was_never_made(operator):
    operator("init", "prod.py")
    operator.store.delete("database/root")
    assert "is not set" in operator("rotate", "prod.py", "database/root", status=1)


# reencrypt


def test_reencrypt_lists_who_can_open_it(ready):
    output = ready("reencrypt", "prod.py")
    assert "can now be opened by:\n  age1" in output


def snapshot(operator: Operator) -> bytes:
    return operator.settings.file.read_bytes()


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Sets $EDITOR to Python code that changes `text`, the content of the file at `path`."""
    monkeypatch.delenv("VISUAL", raising=False)

    def set_editor(code: str) -> None:
        script = tmp_path / "an editor.py"
        indented = "\n".join(line.strip() if line.strip() else "" for line in code.splitlines())
        script.write_text(
            "import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n"
            f"text = path.read_text()\nstatus = 0\n{indented}\n"
            "path.write_text(text)\nsys.exit(status)\n"
        )
        monkeypatch.setenv("EDITOR", shlex.join([sys.executable, str(script)]))

    return set_editor


def start_cli(operator: Operator, *arguments: str, **streams) -> subprocess.Popen:
    """The command in a process of its own, for terminals and signals."""
    settings = operator.settings
    code = (
        "import importlib; from pathlib import Path\n"
        "m = importlib.import_module('mailfleet.cli.secrets')\n"
        "from mailfleet.secrets import StoreSettings\n"
        f"file, identity = {str(settings.file)!r}, {str(settings.identity)!r}\n"
        "s = StoreSettings('age', Path(file), Path(identity))\n"
        f"m._fleet = lambda inventory: (s, [])\nm.secrets({list(arguments)!r})\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **streams)


def read_until(descriptor: int, ending: bytes) -> bytes:
    shown = b""
    while ending not in shown:
        assert select.select([descriptor], [], [], 30)[0], "it said nothing more in 30 seconds"
        shown += os.read(descriptor, 1024)
    return shown


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in 30 seconds"
        time.sleep(0.02)
