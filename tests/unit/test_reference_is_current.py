"""The committed reference pages say what the code says."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

GENERATED: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", GENERATED)
def test_page_is_as_generated(name: str) -> None:
    page = DOCS / "reference" / name
    assert page.read_text(encoding="utf-8") == GENERATED[name], "run `python docs/generate.py`"


def test_no_page_is_left_over() -> None:
    present = {page.name for page in (DOCS / "reference").iterdir()}
    assert present == set(GENERATED), "run `python docs/generate.py`"


def test_generating_twice_gives_the_same() -> None:
    again = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    assert again == GENERATED
