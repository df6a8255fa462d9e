"""The file of aliases that an operator keeps beside group_data.

One alias a line, so that a change is one line of a diff and comments stay where they are:

    sales@example.com: [anna@example.net, ben@example.net]
    old@example.com: {mailboxes: [anna@example.net], enabled: false}
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*@[A-Za-z0-9.-]+\Z")


class AliasFileError(ValueError):
    """The file cannot be read or changed; the message names it and what to do."""


@dataclass(frozen=True)
class Entry:
    """The alias of one line."""

    mailboxes: tuple[str, ...]
    enabled: bool = True


def read(path: Path) -> dict[str, Entry]:
    """Alias -> entry; nothing when there is no such file. Raises AliasFileError."""
    try:
        return _parse(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise AliasFileError(f"{path}: {error}") from None


def _parse(text: str, path: Path) -> dict[str, Entry]:
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise AliasFileError(f"{place}: {getattr(error, 'problem', error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise AliasFileError(f"{path}: write `alias: [mailbox, ...]`, one a line")
    return {str(alias): _entry(value, f"{path}: {alias}") for alias, value in content.items()}


def _entry(value: object, where: str) -> Entry:
    mailboxes, enabled = value, True
    if isinstance(value, dict) and set(value) <= {"mailboxes", "enabled"}:
        mailboxes, enabled = value.get("mailboxes"), value.get("enabled", True)
    if not isinstance(mailboxes, list) or not mailboxes or not isinstance(enabled, bool):
        raise AliasFileError(f"{where}: write [mailbox, ...] or {{mailboxes: [...], enabled: no}}")
    return Entry(tuple(str(mailbox) for mailbox in mailboxes), enabled)


def changed(text: str, path: Path, changes: dict[str, Entry]) -> str:
    """The text with some entries added or replaced, all other lines as they are. Raises
    AliasFileError where an entry spans several lines: those are the operator's to edit."""
    wanted = {**_parse(text, path), **changes}
    lines = text.splitlines()
    for alias, entry in changes.items():
        line = f"{_scalar(alias)}: {_value(entry)}"
        starts = tuple(f"{name}:" for name in (alias, f'"{alias}"', f"'{alias}'"))
        found = [index for index, old in enumerate(lines) if old.startswith(starts)]
        if found:
            comment = re.search(r"[\]}](\s+#.*)\Z", lines[found[0]])
            lines[found[0]] = line + (comment[1] if comment else "")
        else:
            lines.append(line)
    new = "".join(f"{line}\n" for line in lines)
    try:
        is_wanted = _parse(new, path) == wanted
    except AliasFileError:
        is_wanted = False
    if not is_wanted:
        raise AliasFileError(f"{path}: not one alias a line; make this change in an editor")
    return new


def _value(entry: Entry) -> str:
    mailboxes = f"[{', '.join(_scalar(mailbox) for mailbox in entry.mailboxes)}]"
    return mailboxes if entry.enabled else f"{{mailboxes: {mailboxes}, enabled: false}}"


def _scalar(text: str) -> str:
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            name = self.construct_object(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name} is there twice", key.start_mark
                )
            seen.add(name)
        found: dict[object, object] = super().construct_mapping(node, deep)
        return found


def enabled(path: Path) -> dict[str, Sequence[str]]:
    """Alias -> mailboxes of those that are on. Raises AliasFileError."""
    return {alias: list(entry.mailboxes) for alias, entry in read(path).items() if entry.enabled}
