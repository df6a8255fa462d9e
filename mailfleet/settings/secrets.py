"""Where the fleet's secrets are kept."""

from typing import ClassVar, Literal

from pydantic import Field

from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.types import Text


class SecretsSettings(ComponentSettings):
    """Which backend holds the values that `secret("...")` refers to. Set it for all hosts."""

    prefix: ClassVar[str] = "secrets_"

    backend: Literal["age", "environment"] = Field(
        default="age",
        description="`age`: one encrypted YAML file; `environment`: variables "
        "MAILFLEET_SECRET_<NAME>, for CI and for secret managers that inject them.",
    )
    file: Text = Field(
        default="secrets/fleet.age",
        description="The age file, relative to the directory of group_data.",
    )
    identity: Text | None = Field(
        default=None,
        description="The age identity (private key) file. Default: $MAILFLEET_IDENTITY, else "
        "~/.config/mailfleet/identity.txt.",
    )
