"""Request and response bodies of the HTTP API, as in its OpenAPI document."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from email_api.store import ADDRESS_LENGTH

_ALIAS_PATTERN = r"^[^@\s\x00-\x1f\x7f]*@[a-z0-9.-]+$"
_MAILBOX_PATTERN = r"^[^@\s<>\x00-\x1f\x7f]+@[A-Za-z0-9.-]+$"
Mailbox = Annotated[str, Field(max_length=ADDRESS_LENGTH, pattern=_MAILBOX_PATTERN)]


class Reason(BaseModel):
    """Why a request failed, in one word."""

    reason: str


class Accepted(BaseModel):
    """The relay has accepted the message for every mailbox of the alias."""

    status: Literal["accepted"] = "accepted"


class Live(BaseModel):
    """The process responds."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The state of each dependency: `ok`, or a reason and details."""

    database: str
    redis: str
    relay: str


class AliasEntry(BaseModel):
    """An alias: an address in lower case, or `@domain` for all other addresses of a domain."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[str, Field(max_length=ADDRESS_LENGTH, pattern=_ALIAS_PATTERN)]
    mailboxes: Annotated[list[Mailbox], Field(min_length=1, max_length=100)]
    enabled: bool = True


class AliasList(BaseModel):
    """A complete list of aliases."""

    model_config = ConfigDict(extra="forbid")

    aliases: list[AliasEntry]

    @model_validator(mode="after")
    def _check_addresses(self) -> "AliasList":
        addresses = [entry.address for entry in self.aliases]
        if any(address != address.lower() for address in addresses):
            raise ValueError("alias addresses must be in lower case")
        if len(set(addresses)) != len(addresses):
            raise ValueError("duplicate alias address")
        return self


class AliasState(AliasList):
    """All aliases, and a digest to compare them by."""

    digest: str
