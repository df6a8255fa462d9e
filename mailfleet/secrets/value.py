"""A secret's value, wrapped so that it cannot be shown by accident."""

import hmac
from typing import Any, NoReturn, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MASK = "********"


class Secret:
    """A text that prints as `********` everywhere; only `reveal()` gives it away.

    Two secrets are equal when their values are; comparing takes constant time. A secret refuses
    to be pickled, and as it is no `str` the json module refuses it as well. Pydantic takes it as
    the type of a field, never from a plain text, and serializes the mask.
    """

    __slots__ = ("__value",)
    __value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a secret is made from str, not from {type(value).__name__}")
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """The value itself. Call it where the value leaves for its consumer, nowhere earlier."""
        return self.__value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        # A width or precision must not tell anything either.
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_encoded(self.__value), _encoded(other.__value))

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    # Immutable, so a copy is the same object; without these, copying would go through pickling.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled: pass its name and read it where it is used")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.__checked, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "password"}

    @staticmethod
    def __checked(value: object) -> "Secret":
        if isinstance(value, Secret):
            return value
        raise PydanticCustomError("secret", "a secret value is needed here, not a plain one")


def _encoded(value: str) -> bytes:
    # surrogatepass: any str can be compared, also one read from a badly encoded variable.
    return value.encode("utf-8", "surrogatepass")
