"""Pages that need no other file: styles are inside, nothing is loaded. Whatever hosts say is
escaped."""

from functools import cache
from typing import Any

import jinja2

from mailfleet.templates import ROOT


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )


def page(name: str, /, **context: Any) -> str:
    """Render `templates/html/<name>.html.j2`."""
    return _environment().get_template(f"html/{name}.html.j2").render(**context)
