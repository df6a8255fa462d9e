"""MkDocs hook: fills tables of components, roles, gates and settings pages in from the registry.

A page says where: `<!-- table: components -->`. So adding a component changes no page by hand."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.fleet.reference import page_name, summary

_MARK = re.compile(r"<!-- table: (\w+) -->")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def components() -> str:
    """Components in deploy order."""
    rows = [
        (f"`{item.name}`", item.title, ", ".join(f"`{role}`" for role in sorted(item.roles or ())))
        for item in COMPONENTS
        if item.bundle
    ]
    return _table(
        ("Component", "What it manages", "On hosts with the role"),
        [(name, title, roles or "every host") for name, title, roles in rows],
    )


def roles() -> str:
    """Roles of hosts: groups of the inventory."""
    return _table(
        ("Role", "The host runs"), ((f"`{role}`", what) for role, what in SCHEMA.roles.items())
    )


def settings() -> str:
    """Pages of the settings reference, one per model."""
    return _table(
        ("Settings", "What they are about"),
        ((f"[`{model.prefix}*`]({page_name(model)})", summary(model)) for model in SCHEMA.models),
    )


TABLES: dict[str, Callable[[], str]] = {
    "components": components,
    "roles": roles,
    "settings": settings,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each mark by its table. Raises KeyError for a table that does not exist."""
    return _MARK.sub(lambda mark: TABLES[mark[1]](), markdown)
