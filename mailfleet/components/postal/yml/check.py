"""The check of a whole postal.yml.

Postal does not report mistakes in this file: unknown keys are ignored, a number is whatever
Ruby's `to_i` makes of it, a flag that is not exactly true is false. So `problems` is the only
guard.
"""

import re
from collections.abc import Iterator, Mapping

from mailfleet.components.postal.yml.combinations import Values, combinations
from mailfleet.components.postal.yml.problem import Problem
from mailfleet.components.postal.yml.schema import REMOVED, RENAMED, REQUIRED, SCHEMA, Key, nearest
from mailfleet.components.postal.yml.values import (
    is_of,
    list_problems,
    shown,
    value_problems,
    wrong_type,
)
from mailfleet.secrets import MASK

Version = tuple[int, ...]


def problems(config: Mapping[str, object], version: str = "3.3.7") -> list[Problem]:
    """Every mistake in a postal.yml of version 2 for that version of Postal; [] when it is good.

    Keys that are not given are no mistake here, see `missing`. A `Secret` or a reference to one
    stands for a text. Never raises, whatever the nesting.
    """
    problems = list(_version_key(config))
    pinned = _parse_version(version)
    for group, content in config.items():
        if group != "version":
            problems += _group_problems(group, content, pinned)
    return problems + list(combinations(Values(config)))


def missing(config: Mapping[str, object]) -> list[Problem]:
    """The keys that a working Postal needs and that the file does not give."""
    values = Values(config)
    return [
        Problem(
            path,
            None,
            "not given, and Postal's own default cannot work",
            "set it, here or in Postal's environment",
        )
        for path in REQUIRED
        if not values.given(path)
    ]


def _parse_version(version: str) -> Version | None:
    """(3, 3, 7) of `3.3.7@sha256:...`; None when the tag is no version: taken as the newest."""
    match = re.match(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version)
    return tuple(int(part) for part in match.groups()) if match else None


def _version_key(config: Mapping[str, object]) -> Iterator[Problem]:
    value = config.get("version", 2)
    if type(value) is not int or value != 2:
        yield Problem(
            "version", value, "not the version of this format", "write `version: 2`, no quotes"
        )


def _group_problems(group: object, content: object, pinned: Version | None) -> list[Problem]:
    path = str(group)
    known = SCHEMA.get(path)
    if known is None:
        return list(_unknown_group(path, content))
    if not isinstance(content, Mapping):
        message = "a group must hold keys" if content is not None else _EMPTY_GROUP
        return [Problem(path, MASK, message, "put `key: value` lines under it or leave it out")]
    if not content:
        return [Problem(path, content, _EMPTY_GROUP, "leave the group out")]
    problems: list[Problem] = []
    for name, value in content.items():
        key = known.get(name) if isinstance(name, str) else None
        if key is None:
            problems.append(_unknown_key(f"{path}.{name}"))
        else:
            problems += _key_problems(f"{path}.{name}", key, value, pinned)
    return problems


_EMPTY_GROUP = "an empty group stops Postal from starting"


def _unknown_group(path: str, content: object) -> Iterator[Problem]:
    names = list(content) if isinstance(content, Mapping) else []
    paths = [f"{path}.{name}" for name in names]
    old = [old for old in paths if old in RENAMED or old in REMOVED]
    if old:
        yield from (_unknown_key(old) for old in paths)
    else:
        yield _unknown_key(path)


def _unknown_key(path: str) -> Problem:
    message = "Postal knows no such key and ignores it"
    removed = REMOVED.get(path) or REMOVED.get(path.partition(".")[0])
    if path in RENAMED:
        message = "a name of version 1, which Postal ignores in a version 2 file"
        remedy = f"use {RENAMED[path]}"
        if path == "smtp_relays":
            remedy += ", a list of smtp://host:port?ssl_mode=Auto"
    elif path == "logging.graylog":
        message, remedy = "a group of version 1, which Postal ignores here", "use the group gelf"
    elif removed:
        message, remedy = "a key of older versions, which Postal 3 ignores", removed
    else:
        near = nearest(path)
        remedy = f"did you mean {near}?" if near else "remove it"
    return Problem(path, MASK, message, remedy)


def _key_problems(path: str, key: Key, value: object, pinned: Version | None) -> Iterator[Problem]:
    if pinned is not None and pinned < (_parse_version(key.since) or ()):
        number = ".".join(map(str, pinned))
        yield Problem(
            path, shown(key, value), f"Postal {number} ignores it: new in {key.since}", "remove it"
        )
    if not is_of(key.type, value):
        yield wrong_type(path, key, value)
    elif isinstance(value, list | tuple):
        yield from list_problems(path, key, value)
    else:
        yield from value_problems(path, key, value)
