"""The built package, installed outside the checkout, as an operator gets it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a clean copy of the tree, and the wheel built from that sdist."""
    dist = tmp_path_factory.mktemp("dist")
    _build("--outdir", str(dist), str(_clean_copy(tmp_path_factory.mktemp("tree"))))
    return dist


def _clean_copy(directory: Path) -> Path:
    """What git tracks: without the leftovers of earlier builds."""
    for name in _tracked("."):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target, follow_symlinks=False)
    return directory


def _build(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def _tracked(directory: str) -> set[str]:
    done = subprocess.run(
        ["git", "ls-files", directory], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_holds_the_package_only(names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"mailfleet"}


def test_the_wheel_holds_every_file_that_reaches_hosts(names: set[str]) -> None:
    sent = _tracked("templates") | _tracked("files") | _tracked("deploys")
    # The API's tests stay in the repository.
    sent -= _tracked("files/email-api/tests")
    shipped = {name for name in names if name.startswith("mailfleet/shipped/")}
    assert shipped == {f"mailfleet/shipped/{name}" for name in {*sent, "config.py"}}


def test_the_wheel_holds_every_file_of_the_package(names: set[str]) -> None:
    links = {str(link.relative_to(ROOT)) for link in (ROOT / "mailfleet/shipped").iterdir()}
    modules = {name for name in names if not name.startswith("mailfleet/shipped/")}
    assert modules == _tracked("mailfleet") - links
    assert "mailfleet/py.typed" in modules
    assert any(name.endswith(".sh") for name in modules)


def test_the_sdist_holds_no_file_of_the_work_tree_by_chance(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert "mailfleet/shipped/files/email-api/Dockerfile" in inside
    assert not [name for name in inside if ".venv" in name or "__pycache__" in name]


def test_a_wheel_of_the_tree_is_the_same(names: set[str], tmp_path: Path) -> None:
    _build("--wheel", "--outdir", str(tmp_path / "dist"), str(_clean_copy(tmp_path / "tree")))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == names


class Installed:
    """mailfleet in a virtual environment of its own, run in an empty directory."""

    def __init__(self, environment: Path, home: Path) -> None:
        self._bin, self.home = environment / "bin", home

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._bin / arguments[0]), *arguments[1:]],
            cwd=cwd or self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    # Dependencies are those of this environment; its .pth files, which name the checkout, are not
    # read.
    paths = {"base": str(environment), "platbase": str(environment)}
    target = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    (target / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return Installed(environment, tmp_path_factory.mktemp("home"))


def test_the_installed_package_is_outside_the_checkout(installed: Installed) -> None:
    shown = installed.run("python", "-c", "import mailfleet, sys; print(mailfleet.__file__)")
    assert not Path(shown.stdout.strip()).is_relative_to(ROOT), shown
    version = installed.run("mailfleet", "--version")
    assert version.returncode == 0
    assert version.stdout.startswith("mailfleet, version ")


def test_a_new_fleet_renders_outside_the_checkout(installed: Installed) -> None:
    fleet = installed.home / "fleet"
    hosts = ("--host", "postal1=192.0.2.10", "--host", "mx1=198.51.100.20")
    for arguments in (
        ("init", str(fleet), "--no-input", "--domain", "example.com", *hosts),
        ("settings", "inventories/prod.py"),
        ("secrets", "init", "inventories/prod.py"),
        ("render", "inventories/prod.py", "postal1"),
        ("render", "inventories/prod.py", "mx1"),
    ):
        done = installed.run("mailfleet", *arguments, cwd=fleet if fleet.exists() else None)
        assert done.returncode == 0, (arguments, done.stderr)
    assert "/opt/email-api/build/email_api/app.py" in done.stdout


def test_the_lab_needs_a_checkout(installed: Installed) -> None:
    done = installed.run("mailfleet", "lab", "up")
    assert done.returncode == 1
    assert done.stderr == "Error: the lab needs a checkout of the mailfleet repository\n"
    done = installed.run("mailfleet", "init", "lab", "--lab")
    assert done.returncode == 1
    assert done.stderr.startswith("mailfleet: --lab needs a checkout of the mailfleet repository")
    assert done.stderr.count("\n") == 1
    assert installed.run("mailfleet", "--help").returncode == 0
