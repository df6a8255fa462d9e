"""Finds the alias that a message is for, and the mailboxes behind it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from email_api.errors import NoRecipientError, UnknownAliasError
from email_api.message import Header
from email_api.senders import SenderRewriter
from email_api.store import ADDRESS_LENGTH, Store


@dataclass(frozen=True)
class Route:
    """An alias that a message is for."""

    recipient: str
    """As Postfix names it: part of what identifies a handoff."""
    alias: str
    mailboxes: tuple[str, ...]


class Router:
    """Looks up recipients among the aliases and the SRS addresses."""

    def __init__(self, store: Store, senders: SenderRewriter) -> None:
        self._store = store
        self._senders = senders

    async def routes(self, recipient: str | None, header: Header) -> list[Route]:
        """Returns the routes of a message: one for its envelope recipient, else one for
        X-Original-To or Delivered-To, else one for each alias in To, Cc and Bcc.

        Raises NoRecipientError, UnknownAliasError or InvalidBounceAddressError.
        """
        if recipient is not None:
            return [await self._route([recipient])]
        if delivered_to := header.delivered_to():
            # With the handoff `alias`, these may name the local alias that runs the handoff script.
            with suppress(UnknownAliasError):
                return [await self._route(delivered_to)]
        addressees = [_normalized(address) for address in header.addressees()]
        aliases = await self._store.find(addressees)
        routes = [
            Route(name, name, aliases[name].mailboxes) for name in addressees if name in aliases
        ]
        if routes:
            return list(dict.fromkeys(routes))
        if delivered_to or addressees:
            raise UnknownAliasError((delivered_to or addressees)[0])
        raise NoRecipientError("neither envelope nor header names a recipient")

    async def _route(self, recipients: Sequence[str]) -> Route:
        """The route of the first recipient that has one."""
        for recipient in recipients:
            if sender := self._senders.original_sender(recipient):
                return Route(recipient, recipient, (sender,))
        candidates = {recipient: _candidates(recipient) for recipient in recipients}
        aliases = await self._store.find([name for names in candidates.values() for name in names])
        for recipient, names in candidates.items():
            for name in names:
                if name in aliases:
                    return Route(recipient, _normalized(recipient), aliases[name].mailboxes)
        raise UnknownAliasError(recipients[0])


def _normalized(address: str) -> str:
    """As aliases are stored: in lower case, and the domain in ASCII (IDNA) if possible."""
    local, at, domain = address.lower().rpartition("@")
    with suppress(UnicodeError):
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    return f"{local}{at}{domain}".encode("utf-8", "replace").decode()


def _candidates(recipient: str) -> list[str]:
    """The aliases that may match a recipient, in order of preference: the address itself, without
    its +tag, the catch-all of its domain."""
    address = _normalized(recipient)
    local, at, domain = address.rpartition("@")
    if not at or len(address) > ADDRESS_LENGTH:
        return []
    untagged = local.split("+")[0]
    names = [address, f"{untagged}@{domain}", f"@{domain}"] if untagged else [address, f"@{domain}"]
    return list(dict.fromkeys(names))
