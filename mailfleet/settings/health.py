"""Settings of the probes."""

from typing import ClassVar

from pydantic import Field

from mailfleet.settings.model import ComponentSettings


class HealthSettings(ComponentSettings):
    """What `mailfleet health` needs to know besides the components' own settings."""

    prefix: ClassVar[str] = "health_"

    ca_file: str | None = Field(
        default=None,
        description="File on the control machine with a further certificate authority (PEM) that "
        "probes trust, for sites whose certificates come from your own.",
    )
