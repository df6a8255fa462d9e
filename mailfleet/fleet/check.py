"""The check of one host's values: unknown keys, wrong values, no role."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import ConnectorData

from mailfleet.fleet.definition import Schema
from mailfleet.fleet.errors import Problem
from mailfleet.fleet.fleet import Host
from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.origin import DEFAULT
from mailfleet.secrets.reference import NOT_A_REFERENCE

_CONNECTOR_KEYS = frozenset(ConnectorData.__annotations__)
_GLOBAL_ARGUMENTS = frozenset(name for name, _ in all_global_arguments())


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _unknown_key(schema: Schema, key: str, where: str) -> Problem | None:
    if key.startswith("_"):
        known = key in _GLOBAL_ARGUMENTS
    else:
        known = key in schema.keys or key in _CONNECTOR_KEYS
    if known:
        return None
    if key in schema.renamed:
        return Problem(where, key, f"was renamed: write {schema.renamed[key]}")
    candidates = _GLOBAL_ARGUMENTS if key.startswith("_") else [*schema.keys, *_CONNECTOR_KEYS]
    remedy = _nearest(key, candidates) or "; remove it, or see docs/reference for what there is"
    return Problem(where, key, f"unknown setting{remedy}")


def _value_problem(error: ErrorDetails, model: type[ComponentSettings]) -> tuple[str, str]:
    """The key and a sentence for one of pydantic's errors, without the value of a secret."""
    field_name, *inner = [str(part) for part in error["loc"]] or [""]
    key = model.prefix + field_name
    if error["type"] == "missing" and not inner:
        return key, f"is required: set it in group_data or for the host ({_meaning(model, key)})"
    place = f" at {'.'.join(inner)}" if inner else ""
    message = error["msg"].removeprefix("Value error, ")
    # A misspelt key or a whole object may hold what was meant to be a secret, too.
    hidden = error["type"] in (NOT_A_REFERENCE, "extra_forbidden")
    if hidden or not isinstance(error["input"], _PLAIN):
        return key, f"{message}{place}"
    shown = repr(error["input"])
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return key, f"{shown}{place}: {message}"


_PLAIN = (str, int, float, bool, type(None))


def _meaning(model: type[ComponentSettings], key: str) -> str:
    description = model.model_fields[key.removeprefix(model.prefix)].description or ""
    return description.split(". ")[0].rstrip(".")


def check_host(
    schema: Schema, name: str, groups: Iterable[str], values: Mapping[str, tuple[Any, str]]
) -> tuple[Host, list[Problem]]:
    roles = schema.with_implied(frozenset(groups) & schema.roles.keys())
    origins = {key: where for key, (_, where) in values.items()}
    problems = [
        problem
        for key in values
        if (problem := _unknown_key(schema, key, origins[key])) is not None
    ]
    if not roles:
        others = sorted(set(groups) - {"all"})
        guess = "".join({_nearest(group, schema.roles) for group in others}) or "."
        problems.append(
            Problem(
                f"host {name}",
                "",
                f"is in no role group (its groups: {', '.join(others) or 'none'}){guess} "
                f"Roles are {', '.join(schema.roles)}.",
            )
        )
    settings: dict[type[ComponentSettings], ComponentSettings] = {}
    for model in schema.models:
        given = {
            field_name: values[key][0]
            for key, field_name in model.fields_by_key().items()
            if key in values
        }
        try:
            settings[model] = model.model_validate(given)
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False):
                is_missing = error["type"] == "missing" and len(error["loc"]) == 1
                if is_missing and not schema.configures(model, roles):
                    continue
                key, message = _value_problem(error, model)
                problems.append(Problem(origins.get(key, f"host {name}"), key, message))
    full_origins = {key: origins.get(key, DEFAULT) for key in schema.keys}
    return Host(name, roles, full_origins, settings), problems
