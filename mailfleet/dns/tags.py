"""Tag lists, `name=value; name=value`, as DKIM and DMARC records have them (RFC 6376 section 3.2,
RFC 9989 section 4.7)."""

import re

_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)


class BadTags(ValueError):
    """Text that is no tag list."""


def parse_tags(text: str) -> dict[str, str]:
    """Tags in order. Raises BadTags."""
    tags, odd = split_tags(text)
    if odd:
        raise BadTags(odd[0])
    return tags


def split_tags(text: str) -> tuple[dict[str, str], list[str]]:
    """Tags in order, and what is wrong with the rest: no tag, or one that stands there twice."""
    tags: dict[str, str] = {}
    odd = []
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        found = _TAG.match(part)
        if found is None:
            odd.append(f"not a tag: {part.strip()[:40]!r}")
        elif found[1] in tags:
            odd.append(f"the tag {found[1]} stands there twice")
        else:
            tags[found[1]] = found[2]
    return tags, odd
