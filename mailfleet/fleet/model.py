"""The base of every component's settings model."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Item(BaseModel):
    """An object inside a setting, such as one registry of a list. The inventory makes it, so that
    its errors are Python's: they must not show what may be a secret."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


class ComponentSettings(BaseModel):
    """Settings of one component. The field `web_hostname` of a model with the prefix `postal_`
    is the key `postal_web_hostname` in group_data. The docstring and the field descriptions are
    the reference documentation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True
    )
    prefix: ClassVar[str]
    renamed: ClassVar[dict[str, str]] = {}
    """Previous keys (with prefix) and the key that replaced each."""
    fleet_wide: ClassVar[bool] = False
    """Every host must have the same values."""

    @classmethod
    def fields_by_key(cls) -> dict[str, str]:
        """Every key as written in group_data, with the field it sets."""
        return {cls.prefix + field: field for field in cls.model_fields}

    def unused_secrets(self) -> set[str]:
        """Keys whose secret is not needed as the settings stand, so `secrets init` skips it."""
        return set()

    def values(self) -> dict[str, Any]:
        """Key as written in group_data -> effective value."""
        return {key: getattr(self, field) for key, field in self.fields_by_key().items()}
