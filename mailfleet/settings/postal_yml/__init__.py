"""Postal's configuration file, postal.yml: its schema, its check and its text."""

from mailfleet.settings.postal_yml.check import missing, problems
from mailfleet.settings.postal_yml.problem import Problem
from mailfleet.settings.postal_yml.schema import (
    REMOVED,
    RENAMED,
    REQUIRED,
    SCHEMA,
    Key,
    Kind,
    find,
    nearest,
)
from mailfleet.settings.postal_yml.text import render

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
