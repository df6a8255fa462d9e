"""When images are built anew, what the registry offers, and what differs between machines."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.builds import Builder
from lab.errors import LabError
from lab.machine import Machine, has_capability, host_config
from lab.mirror import Mirror, parse_targets
from lab.names import lab_id, object_name
from lab.ports import FIRST, LAST, PortChooser
from lab.recipes import (
    Publication,
    group_by_recipe,
    parse_publication,
    publications,
    recipe_context,
    recipe_hash,
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    directory = tmp_path / "images" / "web"
    directory.mkdir(parents=True)
    (directory / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (directory / "start").write_text("#!/bin/sh\n")
    (directory / "PUBLISH").write_text("# two names\nweb:2\nacme/web:2.1 VERSION=2.1\n")
    return directory


def test_an_untouched_recipe_keeps_its_hash(recipe: Path) -> None:
    assert recipe_hash(recipe, {"BASE": "a"}) == recipe_hash(recipe, {"BASE": "a"})


def test_files_modes_and_arguments_change_the_hash(recipe: Path) -> None:
    hashes = {recipe_hash(recipe, {"BASE": "a"}), recipe_hash(recipe, {"BASE": "b"})}
    (recipe / "start").chmod(0o755)
    hashes.add(recipe_hash(recipe, {"BASE": "a"}))
    (recipe / "start").write_text("#!/bin/sh -e\n")
    hashes.add(recipe_hash(recipe, {"BASE": "a"}))
    assert len(hashes) == 4


def test_another_published_name_builds_nothing(recipe: Path) -> None:
    before = recipe_hash(recipe, {})
    (recipe / "PUBLISH").write_text("web:3\n")
    (recipe / "PUBLISH.tests").write_text("web:4\n")
    assert recipe_hash(recipe, {}) == before


def test_a_context_does_not_tell_who_built_it(recipe: Path) -> None:
    (recipe / "start").chmod(0o700)
    with tarfile.open(fileobj=recipe_context(recipe)) as archive:
        modes = {member.name: member.mode for member in archive}
        assert {(member.uid, member.uname) for member in archive} == {(0, "")}
    assert modes == {"Dockerfile": 0o644, "start": 0o755}


def test_published_names_and_their_arguments(recipe: Path) -> None:
    assert publications(recipes=recipe.parent) == [
        Publication("web", "web", "2"),
        Publication("web", "acme/web", "2.1", (("VERSION", "2.1"),)),
    ]


def test_images_of_tests_are_published_on_request(recipe: Path) -> None:
    (recipe / "PUBLISH.tests").write_text("web:3-broken BREAK=yes\n")
    fleet = publications(recipes=recipe.parent)
    broken = Publication("web", "web", "3-broken", (("BREAK", "yes"),))
    assert publications(tests=True, recipes=recipe.parent) == [*fleet, broken]


class CountingBuilder(Builder):
    def __init__(self) -> None:
        self.tags: list[str] = []

    def image(
        self, recipe: str, parents: Mapping[str, str], arguments: Mapping[str, str], tag: str
    ) -> str:
        self.tags.append(tag)
        return f"id of {tag}"


def test_names_without_difference_share_an_image() -> None:
    first, same = Publication("web", "web", "2"), Publication("web", "web", "2.0")
    other = Publication("web", "web", "1", (("VERSION", "1"),))
    assert group_by_recipe([first, other, same]) == [[first, other, same]]
    builder = CountingBuilder()
    images = builder.publications([first, other, same], "base")
    assert images == {first: "id of 2", other: "id of 1", same: "id of 2"}
    assert builder.tags == ["2", "1"]


@pytest.mark.parametrize("line", ["web", "web:2 VERSION"])
def test_a_name_that_cannot_be_published_is_quoted(line: str) -> None:
    with pytest.raises(LabError, match=f"lab/images/web/PUBLISH: `{line}`"):
        parse_publication(Path("images/web/PUBLISH"), line)


def test_the_machines_mirror_serves_the_hosts_release() -> None:
    mirror = parse_targets(
        [
            "bookworm-security http://mirror.example/debian-security/",
            "bookworm http://mirror.example/debian/",
            "nodistro https://elsewhere.example/",
        ],
        "bookworm",
    )
    assert mirror == Mirror(
        "http://mirror.example/debian/", "http://mirror.example/debian-security/"
    )
    assert mirror.sources() == (
        "deb http://mirror.example/debian/ trixie main\n"
        "deb http://mirror.example/debian/ trixie-updates main\n"
        "deb http://mirror.example/debian-security/ trixie-security main\n"
    )


def test_without_a_debian_mirror_there_is_none() -> None:
    assert parse_targets(["noble http://mirror.example/ubuntu/"], "bookworm") is None


def test_a_missing_capability_is_dropped() -> None:
    assert not has_capability("CapBnd:\t000001fffeffffff\n", 24)
    assert has_capability("CapBnd:\t000001ffffffffff\n", 24)
    lacking = Machine(cgroup_v2=False, has_sys_resource=False)
    assert host_config(lacking)["CapDrop"] == ["SYS_RESOURCE"]


@pytest.mark.parametrize(("cgroup_v2", "namespace"), [(False, "host"), (True, "private")])
def test_the_cgroup_namespace_follows_the_version(cgroup_v2: bool, namespace: str) -> None:
    assert host_config(Machine(cgroup_v2, True))["CgroupnsMode"] == namespace


def test_two_clones_have_different_names(tmp_path: Path) -> None:
    assert lab_id(tmp_path / "one") != lab_id(tmp_path / "two")
    assert lab_id() in object_name("postal1")


def test_ports_are_kept_where_they_are_free() -> None:
    chooser = PortChooser([20005], free=lambda port: port != 20006)
    assert chooser.choose(20004) == 20004
    assert chooser.choose(20004) not in (20004, 20005, 20006)
    assert chooser.choose(20005) != 20005
    assert FIRST <= chooser.choose(20006) < LAST


def test_exhausted_ports_end_the_search() -> None:
    with pytest.raises(OSError, match="no free port"):
        PortChooser([], free=lambda port: False).choose()
