"""Postal's configuration file, postal.yml: its schema, its check and its text."""

from mailfleet.components.postal.yml.check import missing, problems
from mailfleet.components.postal.yml.problem import Problem
from mailfleet.components.postal.yml.schema import (
    REMOVED,
    RENAMED,
    REQUIRED,
    SCHEMA,
    Key,
    Kind,
    find,
    nearest,
)
from mailfleet.components.postal.yml.text import render

__all__ = [
    "REMOVED",
    "RENAMED",
    "REQUIRED",
    "SCHEMA",
    "Key",
    "Kind",
    "Problem",
    "find",
    "missing",
    "nearest",
    "problems",
    "render",
]
