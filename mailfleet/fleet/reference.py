"""The reference documentation of all settings, made from their models."""

import inspect
import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mailfleet.fleet.definition import Schema
from mailfleet.fleet.model import ComponentSettings


def reference(schema: Schema) -> dict[str, str]:
    """File name -> Markdown, one page per component and an index."""
    pages = {page_name(model): _page(model) for model in schema.models}
    index = """\
# Settings

Every setting is a flat key in `group_data/` or beside a host in the inventory. A key that is not
listed here is an error. The prefix of a key names its page: `postal_version` is in `postal.md`.

<!-- table: settings -->
"""
    return {"index.md": index, **pages}


def page_name(model: type[ComponentSettings]) -> str:
    """File name of the page of a settings model."""
    return f"{model.prefix.rstrip('_')}.md"


def summary(model: type[ComponentSettings]) -> str:
    """The first paragraph of a settings model's documentation, in one line."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _page(model: type[ComponentSettings]) -> str:
    lines = [f"# {model.prefix}*", "", summary(model), ""]
    for key, name in model.fields_by_key().items():
        field = model.model_fields[name]
        lines += [f"## {key}", "", field.description or "", ""]
        lines += [f"- type: `{_type(field)}`", f"- default: {_default(field)}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "none; required on hosts with the role"
    return f"`{field.default!r}`"


def _type(field: FieldInfo) -> str:
    return _type_name(field.annotation)


def _type_name(annotation: Any) -> str:
    """A type as an operator thinks of it: `list of str`, `"age" or "environment"`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(json.dumps(choice) for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type_name(argument) for argument in arguments)
    if origin in (list, tuple):
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"dict of {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    if annotation is Any:
        return "any value"
    if annotation is NoneType:
        return "None"
    return str(annotation.__name__)
