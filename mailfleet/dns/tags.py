"""Tag lists, `name=value; name=value`, as DKIM and DMARC records have them (RFC 6376 section 3.2,
RFC 9989 section 4.7)."""

import re

_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)

_NOT_ALLOWED = re.compile(r"[^\x20-\x7e\t\r\n]")


class BadTags(ValueError):
    """Text that is no tag list."""


def parse_tags(text: str) -> dict[str, str]:
    """Tags in order. Raises BadTags."""
    tags, odd = split_tags(text)
    if odd:
        raise BadTags(odd[0])
    return tags


def split_tags(text: str) -> tuple[dict[str, str], list[str]]:
    """Tags in order, and what is wrong with the rest. Raises BadTags for a tag that stands there
    twice, which makes the whole list invalid (RFC 6376 section 3.2)."""
    tags: dict[str, str] = {}
    odd = []
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        found = _TAG.match(part)
        if found is None or _NOT_ALLOWED.search(part):
            odd.append(f"not a tag: {part.strip()[:40]!r}")
        elif found[1] in tags:
            raise BadTags(f"the tag {found[1]} stands there twice")
        else:
            tags[found[1]] = found[2]
    return tags, odd
