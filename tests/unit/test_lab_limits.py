"""The lab says which kernel limit is too low before a host fails to boot."""

import os
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.limits import check_inotify, inotify_instances


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    descriptors = tmp_path / "proc" / "42" / "fd"
    descriptors.mkdir(parents=True)
    for number in range(7):
        (descriptors / str(number)).symlink_to("anon_inode:inotify")
    (descriptors / "7").symlink_to("/dev/null")
    return tmp_path / "proc"


@pytest.fixture
def limit(tmp_path: Path) -> Path:
    file = tmp_path / "max_user_instances"
    file.write_text("128\n")
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's processes count")
def test_only_inotify_instances_are_counted(proc: Path) -> None:
    assert inotify_instances(proc) == 7


def test_a_fleet_that_fits_is_let_up(proc: Path, limit: Path) -> None:
    check_inotify(6, proc, limit)


def test_one_that_does_not_names_the_setting(proc: Path, limit: Path) -> None:
    with pytest.raises(LabError, match=r"sysctl -w fs.inotify.max_user_instances=1024"):
        check_inotify(16, proc, limit)


def test_hosts_that_run_already_need_nothing(proc: Path, limit: Path) -> None:
    limit.write_text("1\n")
    check_inotify(0, proc, limit)
