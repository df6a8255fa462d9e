"""Tag lists, `name=value; name=value`, as DKIM and DMARC records have them (RFC 6376 section 3.2,
RFC 9989 section 4.7)."""

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")

_NOT_ALLOWED = re.compile(r"[^\x20-\x7e\t\r\n]")


class InvalidTagsError(ValueError):
    """Text that is no tag list."""


def parse_tags(text: str) -> dict[str, str]:
    """Tags in order. Raises InvalidTagsError."""
    tags, odd = split_tags(text)
    if odd:
        raise InvalidTagsError(odd[0])
    return tags


def split_tags(text: str) -> tuple[dict[str, str], list[str]]:
    """Tags in order, and what is wrong with the rest. Raises InvalidTagsError for a duplicate tag,
    which makes the whole list invalid (RFC 6376 section 3.2)."""
    tags: dict[str, str] = {}
    odd = []
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _NAME.match(name) or _NOT_ALLOWED.search(part):
            odd.append(f"not a tag: {part.strip()[:40]!r}")
        elif name in tags:
            raise InvalidTagsError(f"the tag {name} stands there twice")
        else:
            tags[name] = value.strip()
    return tags, odd
