"""References to secrets: what group_data holds in place of a value."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Generator = Callable[[], str]
"""Makes a fresh value. Those of `mailfleet.secrets.generate` describe themselves with `str()`."""

_NAME = re.compile(r"[a-z0-9_-]+(/[a-z0-9_.-]+)*")


def check_name(name: str) -> str:
    """The name itself, if it is one: parts of `a-z 0-9 _ -` joined by `/`, such as
    `postal/rails_secret_key`; parts after the first may hold dots (`dkim/example.com`).

    Raises ValueError otherwise. The text does not repeat the name: what stands in the wrong
    place may be the value.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            "not a name for a secret: use lower-case letters, digits, _ and -, in parts joined "
            "by /, such as postal/rails_secret_key (dots are allowed after the first /)"
        )
    return name


@dataclass(frozen=True)
class SecretRef:
    """The name of a secret, and how to make it when it is missing (None: the operator sets it).

    Raises ValueError when the name is not one, see `check_name`.
    """

    name: str
    generate: Generator | None = None

    def __post_init__(self) -> None:
        check_name(self.name)

    def __repr__(self) -> str:
        return f'secret("{self.name}")'

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _checked, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string"}


def secret(name: str, generate: Generator | None = None) -> SecretRef:
    """A reference for group_data and for the defaults of settings.

    `secret("postal/smtp_relay")` is set by the operator; with
    `generate=generate.password()` `mailfleet secrets init` makes it when it is missing.
    """
    return SecretRef(name, generate)


NOT_A_REFERENCE = "secret_ref"
"""pydantic's error type for a value where a reference belongs: its input is a secret."""


def _checked(value: object) -> SecretRef:
    if isinstance(value, SecretRef):
        return value
    raise PydanticCustomError(
        NOT_A_REFERENCE,
        'takes a reference, not a value: write secret("some/name") and store the value with '
        "`mailfleet secrets set`",
    )
