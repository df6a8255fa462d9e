"""Image recipes, the directories under lab/images, and when an image is out of date."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.names import RECIPES

# What the fleet pulls, and what only tests pull.
PUBLISH = "PUBLISH"
PUBLISH_TESTS = "PUBLISH.tests"


@dataclass(frozen=True)
class Publication:
    """One line of a PUBLISH or PUBLISH.tests file: `repository:tag [ARG=VALUE ...]`."""

    recipe: str
    repository: str
    tag: str
    arguments: tuple[tuple[str, str], ...] = ()


def recipe_files(directory: Path) -> Iterator[Path]:
    # With the directories that a recipe links to.
    found = os.walk(directory, followlinks=True)
    for file in sorted(Path(parent, name) for parent, _, names in found for name in names):
        # Another tag is no reason to build again.
        if file.is_file() and "__pycache__" not in file.parts and file.stem != PUBLISH:
            yield file


def recipe_hash(directory: Path, arguments: Mapping[str, str]) -> str:
    """Changes with any file of the recipe, its mode, or a build argument such as the base's id."""
    digest = hashlib.sha256()
    for name, value in sorted(arguments.items()):
        digest.update(f"{name}={value}\0".encode())
    for file in recipe_files(directory):
        executable = bool(file.stat().st_mode & 0o100)
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(directory)}\0{executable}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def recipe_context(directory: Path) -> io.BytesIO:
    """The recipe as a tar archive, with the owners that every clone has."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in recipe_files(directory):
            info = archive.gettarinfo(file, arcname=str(file.relative_to(directory)))
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mode = 0o755 if info.mode & 0o100 else 0o644
            with file.open("rb") as content:
                archive.addfile(info, content)
    buffer.seek(0)
    return buffer


def publications(tests: bool = False, recipes: Path = RECIPES) -> list[Publication]:
    """What the lab's registry offers, from every recipe that has a PUBLISH file; with `tests`, what
    only tests pull too."""
    names = (PUBLISH, PUBLISH_TESTS) if tests else (PUBLISH,)
    return [
        parse_publication(file, line)
        for name in names
        for file in sorted(recipes.glob(f"*/{name}"))
        for line in file.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]


def group_by_recipe(offered: list[Publication]) -> list[list[Publication]]:
    groups: dict[str, list[Publication]] = {}
    for publication in offered:
        groups.setdefault(publication.recipe, []).append(publication)
    return list(groups.values())


def parse_publication(file: Path, line: str) -> Publication:
    image, *arguments = line.split()
    repository, colon, tag = image.rpartition(":")
    recipe = file.parent.name
    if not colon or not all("=" in argument for argument in arguments):
        place = f"lab/images/{recipe}/{file.name}"
        raise LabError(f"{place}: `{line}` is not `name:tag [ARG=VALUE ...]`")
    pairs = (argument.partition("=") for argument in arguments)
    return Publication(recipe, repository, tag, tuple((name, value) for name, _, value in pairs))
