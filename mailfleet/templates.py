"""Our own strict Jinja environment: what is undefined is an error, and a file that a secret went
into knows it."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from mailfleet.secrets import Secret

ROOT = Path(__file__).resolve().parent / "shipped"
"""`templates/` and `files/`: in the repository links to those at its top, in an installed package
copies."""


@dataclass(frozen=True)
class Rendered:
    """Text of a file; `secret` when a secret value is in it."""

    text: str
    secret: bool

    @property
    def content(self) -> bytes:
        return self.text.encode()


class TemplateProblemError(Exception):
    """A template that does not render; the message names its file and line."""


def _compose(value: object) -> str:
    """A JSON string, which is a YAML string too whatever characters it holds; in compose files
    `$` would start a variable."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # configuration files, not HTML
    )
    environment.filters["compose"] = _compose
    return environment


def render(name: str, /, **context: Any) -> Rendered:
    """Render `templates/<name>.j2`. `reveal(secret)` in a template writes a secret's value and
    marks the file as secret; a secret written without it stays masked.

    Raises TemplateProblemError."""
    revealed: list[Secret] = []

    def reveal(value: Secret) -> str:
        revealed.append(value)
        return value.reveal()

    functions: dict[str, Callable[[Secret], str]] = {"reveal": reveal}
    try:
        text = _environment().get_template(f"{name}.j2").render(**context, **functions)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateProblemError(
            f"templates/{error.name}:{error.lineno}: {error.message}"
        ) from None
    except jinja2.TemplateNotFound:
        raise TemplateProblemError(f"templates/{name}.j2: no such template") from None
    except jinja2.TemplateError as error:
        place = f"{name}.j2"
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename.endswith(".j2"):
                place = f"{name}.j2:{trace.tb_lineno}"
            trace = trace.tb_next
        raise TemplateProblemError(f"templates/{place}: {error.message}") from None
    return Rendered(text, secret=bool(revealed))


def shipped(name: str) -> bytes:
    """Content of `files/<name>`, sent as it is."""
    return (ROOT / "files" / name).read_bytes()


def render_script(name: str, /, **values: str | int) -> str:
    """Shell of `files/<name>`, behind an assignment of each value to the variable of its name."""
    assignments = "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in values.items())
    return assignments + shipped(name).decode()
