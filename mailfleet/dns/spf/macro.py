"""SPF macros (RFC 7208 section 7)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_TOKEN = re.compile(
    r"%\{(?P<letter>[a-z])(?P<digits>\d*)(?P<reverse>r?)(?P<delimiters>[.\-+,/_=]*)\}"
    r"|%(?P<special>[%_-])"
    r"|(?P<literal>[\x21-\x24\x26-\x7e]+)",
    re.IGNORECASE,
)
_TEXT_TOKEN = re.compile(_TOKEN.pattern.replace(r"[\x21-", r"[\x20\x21-"), re.IGNORECASE)
_SPECIAL = {"%": "%", "_": " ", "-": "%20"}

LETTERS = frozenset("slodiphv")
TEXT_LETTERS = LETTERS | frozenset("crt")
"""Explanations know three more (section 7.2)."""

_TOP_LABEL = re.compile(r"(?=[^.]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)


class InvalidMacroError(ValueError):
    """Text that breaks the grammar of macros."""


@dataclass(frozen=True)
class Template:
    """Text with macros, its grammar checked."""

    tokens: tuple[re.Match[str], ...]

    @classmethod
    def parse(
        cls, text: str, letters: frozenset[str] = LETTERS, spaces: bool = False
    ) -> "Template":
        """Raises InvalidMacroError."""
        tokens = []
        at = 0
        pattern = _TEXT_TOKEN if spaces else _TOKEN
        while at < len(text):
            token = pattern.match(text, at)
            if token is None:
                raise InvalidMacroError(f"{text}: not allowed: {text[at : at + 4]}")
            letter = (token["letter"] or "").lower()
            if letter and letter not in letters:
                raise InvalidMacroError(f"{text}: unknown macro letter in {token[0]}")
            if token["digits"] and not int(token["digits"]):
                raise InvalidMacroError(f"{text}: zero labels asked for in {token[0]}")
            tokens.append(token)
            at = token.end()
        return cls(tuple(tokens))

    @classmethod
    def domain(cls, text: str) -> "Template":
        """A domain-spec (section 7.1): it ends in a macro, or in a dot and a top label. Raises
        InvalidMacroError."""
        template = cls.parse(text)
        end = template.tokens[-1]["literal"] if template.tokens else ""
        if end is not None:
            _, dot, top = end.removesuffix(".").rpartition(".")
            if not dot or not _TOP_LABEL.fullmatch(top):
                raise InvalidMacroError(f"{text or 'empty'}: not a domain name")
        return template

    @property
    def letters(self) -> frozenset[str]:
        return frozenset(token["letter"].lower() for token in self.tokens if token["letter"])

    def expand(self, values: Mapping[str, str]) -> str:
        """The text for these values of macro letters."""
        return "".join(_expanded(token, values) for token in self.tokens)


def _expanded(token: re.Match[str], values: Mapping[str, str]) -> str:
    if token["special"]:
        return _SPECIAL[token["special"]]
    if not token["letter"]:
        return token["literal"]
    value = values[token["letter"].lower()]
    delimiters = token["delimiters"] or "."
    if token["digits"] or token["reverse"] or token["delimiters"]:
        parts = re.split(f"[{re.escape(delimiters)}]", value)
        if token["reverse"]:
            parts.reverse()
        if token["digits"]:
            # Any number over 127 means all of them; more digits than that are of no use.
            parts = parts[-min(int(token["digits"][:9]), 128) :]
        value = ".".join(parts)
    return quote(value, safe="-_.~") if token["letter"].isupper() else value


def shortened(name: str) -> str:
    """An expanded name without the labels on the left that make it too long (section 7.3)."""
    name = name.removesuffix(".")
    while len(name) > 253:
        _, dot, name = name.partition(".")
        if not dot:
            return ""
    return name
