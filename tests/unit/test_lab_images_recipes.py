"""The recipes of lab/images: what the lab tool relies on without asking."""

import os
import re
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "lab" / "images"
RECIPES = [IMAGES / name for name in ("caddy", "mailserver-standin", "mariadb", "postal-standin")]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_recipe_is_built_on_the_base_of_the_lab(recipe: Path) -> None:
    lines = (recipe / "Dockerfile").read_text().splitlines()
    assert lines[:2] == ["ARG BASE", "FROM ${BASE}"]
    assert (recipe / "README.md").is_file()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_publish_names_images_and_declared_build_arguments(recipe: Path) -> None:
    declared = set(re.findall(r"^ARG (\w+)", (recipe / "Dockerfile").read_text(), re.MULTILINE))
    lines = [line for file in recipe.glob("PUBLISH*") for line in file.read_text().splitlines()]
    assert lines
    for line in lines:
        image, *arguments = line.split()
        assert re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)*:[A-Za-z0-9_.-]+", image)
        for argument in arguments:
            key, separator, value = argument.partition("=")
            assert separator and value and key in declared - {"BASE"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_scripts_that_are_run_by_name_are_executable(recipe: Path) -> None:
    for path in recipe.rglob("*"):
        if path.is_file() and path.suffix != ".rb" and path.read_bytes().startswith(b"#!"):
            assert os.access(path, os.X_OK), path
