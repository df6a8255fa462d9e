"""`mailfleet init`: what an operator gets, and what is reported of wrong answers."""

import subprocess
from itertools import takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lab.state import Lab, LabError, LabHost, write_lab
from mailfleet.cli import main
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import load_fleet
from tests.certificates import certificate

HOSTS = ("--host", "postal1=192.0.2.10,2001:db8::10", "--host", "mx1=198.51.100.20")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(variable, "Operator")
    for variable in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(variable, "operator@example.com")


def init(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", "fleet", *arguments], input=answers)


def without_input(*arguments: str) -> Result:
    return init("--no-input", "--domain", "example.com", *arguments)


def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.chdir("fleet")
    return load_fleet("inventories/prod.py", SCHEMA)


def test_options_make_a_fleet_that_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    result = without_input(*HOSTS, "--provider", "hetzner", "--provider", "mx1=lightsail")
    assert result.exit_code == 0, result.output
    made = fleet(monkeypatch)
    assert {host.name: sorted(host.roles) for host in made.hosts.values()} == {
        "postal1": ["caddy", "database", "postal", "postal_smtp", "postal_web", "postal_worker"],
        "mx1": ["caddy", "email_api", "mailserver"],
    }
    assert made.hosts["postal1"].fqdn == "postal1.example.com"
    assert made.hosts["postal1"][PostalSettings].web_hostname == "postal.example.com"
    inventory = Path("inventories/prod.py").read_text(encoding="utf-8")
    assert '"ssh_user": "admin",\n        "_sudo": True,' in inventory


def test_answers_make_the_same_fleet_as_options() -> None:
    assert without_input(*HOSTS, "--provider", "mx1=lightsail").exit_code == 0
    by_options = contents(Path("fleet"))
    Path("fleet").rename("other")
    postal1 = ["192.0.2.10,2001:db8::10", "", ""]
    mx1 = ["198.51.100.20", "lightsail", ""]
    result = init(answers="\n".join(["example.com", "", *postal1, *mx1, "", "", ""]))
    assert result.exit_code == 0, result.output
    assert contents(Path("fleet")) == by_options


def contents(directory: Path) -> dict[str, str]:
    files = (file for file in directory.rglob("*") if file.is_file() and ".git" not in file.parts)
    return {str(file.relative_to(directory)): file.read_text(encoding="utf-8") for file in files}


def test_a_wrong_answer_is_asked_again() -> None:
    result = init(*HOSTS, "--provider", "other", answers="example\nexample.com\n\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert "example: not a fully qualified host name" in result.output


def test_each_setting_stands_below_its_description() -> None:
    assert without_input(*HOSTS).exit_code == 0
    for name in ("group_data/all.py", "group_data/prod.py"):
        lines = Path("fleet", name).read_text(encoding="utf-8").splitlines()
        keys = [
            (number, line.removeprefix("# ").partition(" = ")[0])
            for number, line in enumerate(lines)
            if line.removeprefix("# ").partition(" = ")[0] in SCHEMA.keys
        ]
        assert keys
        for number, key in keys:
            model = SCHEMA.keys[key]
            description = model.model_fields[model.fields_by_key()[key]].description
            above = takewhile(lambda line: line.startswith("# "), reversed(lines[:number]))
            comment = [line.removeprefix("# ") for line in above]
            assert " ".join(reversed(comment)) == description, key


def test_commented_out_settings_are_valid_when_uncommented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert without_input(*HOSTS).exit_code == 0
    for name in ("group_data/all.py", "group_data/prod.py"):
        file = Path("fleet", name)
        lines = file.read_text(encoding="utf-8").splitlines()
        optional = [line[2:] for line in lines if line[2:].partition(" = ")[0] in SCHEMA.keys]
        assert optional
        with file.open("a", encoding="utf-8") as end:
            end.write("\n".join(["", *optional, ""]))
    fleet(monkeypatch)


def test_the_repository_has_one_commit_with_every_file() -> None:
    assert without_input(*HOSTS).exit_code == 0
    tracked = git("ls-files").splitlines()
    assert sorted(tracked) == sorted(contents(Path("fleet")))
    assert git("log", "--format=%an %s") == "Operator Describe the mail fleet\n"
    assert git("status", "--porcelain") == ""


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd="fleet", capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("lacking", ["git", "identity"])
def test_without_git_or_identity_the_commit_is_skipped_with_a_note(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "git":
        monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("AUTHOR_NAME", "COMMITTER_NAME", "AUTHOR_EMAIL", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{variable}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    result = without_input(*HOSTS)
    assert result.exit_code == 0
    note = "git is not installed" if lacking == "git" else "git has no user.name and user.email"
    assert f"No git commit was made: {note}\n" in result.output
    assert Path("fleet/inventories/prod.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--host is required with --no-input"),
        (("--domain", "example", *HOSTS), "--domain: example: not a fully qualified host name"),
        (("--host", "postal1"), "--host: postal1: write it as NAME=VALUE"),
        (("--host", "postal1=1.2.3"), "--host postal1: 1.2.3: not an IP address"),
        (("--host", "postal1=2001:db8::1"), "give the public IPv4 address"),
        (("--host", "a;b=192.0.2.1"), "a;b is not a host name"),
        ((*HOSTS, "--role", "mx1=web"), "--role mx1: web: no role web; there are server,"),
        ((*HOSTS, "--role", "mx2=caddy"), "--role: mx2=caddy: no --host mx2"),
        ((*HOSTS, "--provider", "aws"), "--provider postal1: aws: no such provider"),
        ((*HOSTS, "--contact", "me"), "--contact: me: not an e-mail address"),
        ((*HOSTS, "--role", "mx1=mailserver,caddy"), "mailserver_api_address: is required"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    arguments: tuple[str, ...], message: str
) -> None:
    result = without_input(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("mailfleet: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert not Path("fleet").exists()


def test_the_domain_is_required() -> None:
    assert init("--no-input", *HOSTS).stderr == "mailfleet: --domain is required with --no-input\n"


def test_a_directory_that_is_not_empty_is_left_alone() -> None:
    Path("fleet").mkdir()
    Path("fleet/notes").touch()
    result = without_input(*HOSTS)
    assert result.exit_code == 1
    assert result.stderr == "mailfleet: fleet: not empty; name a new or an empty directory\n"
    assert contents(Path("fleet")) == {"notes": ""}


@pytest.fixture
def running_lab(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a lab that is up, with hosts that nobody contacts."""
    directory = tmp_path_factory.mktemp("lab")
    hosts = {
        name: LabHost(f"10.213.0.1{number}", f"{name}.lab.test", 20020 + number, user, {})
        for number, (name, user) in enumerate(
            [("postal1", "root"), ("mx1", "admin"), ("postal2", "root")]
        )
    }
    lab = Lab(directory, hosts, None, "https://acme.test/dir", "10.213.0.3", "10.213.0.2")
    write_lab(lab)
    lab.update_key_file.write_text("c2VjcmV0\n")
    for file in (lab.ca_file, lab.acme_root_file):
        file.write_bytes(certificate("ca.lab.test", left_days=1))
    monkeypatch.setattr("lab.state.read_lab.__defaults__", (directory,))


@pytest.mark.usefixtures("running_lab")
def test_a_fleet_for_the_lab_has_the_labs_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    result = init("--lab")
    assert result.exit_code == 0, result.output
    assert Path("fleet/requirements.txt").read_text(encoding="utf-8") == f"-e {ROOT}\n"
    assert not Path("fleet/inventories/prod.py").exists()
    monkeypatch.chdir("fleet")
    made = load_fleet("inventories/lab.py", SCHEMA)
    assert set(made.hosts) == {"postal1", "mx1", "postal2"}
    assert made.hosts["mx1"].has("mailserver")


def test_without_a_running_lab_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise LabError("the lab is not up: run `mailfleet lab up`")

    monkeypatch.setattr("lab.state.read_lab", down)
    result = init("--lab")
    assert result.exit_code == 1
    assert result.stderr == "mailfleet: the lab is not up: run `mailfleet lab up`\n"
