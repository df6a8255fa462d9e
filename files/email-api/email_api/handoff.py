"""A message from Postfix: whose it is, and forwarded to each of that alias's mailboxes once.

    claim      the handoff's lock: two requests never send the same message
    look       which mailboxes have it already: database and journal
    send       to each of the others, on its own; as soon as the relay has answered 250:
    journal    in Redis, a fraction of a millisecond later
    record     in the database, durable
    answer     accepted, once every mailbox is recorded

Killed between the relay's answer and the journal, the next attempt sends a second copy to one
mailbox: SMTP has no way to ask a relay what became of a message.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from weakref import WeakValueDictionary

from email_api import metrics
from email_api.arc import Seal
from email_api.errors import Loop, NoRecipient, NotAccepted, Unavailable, UnknownAlias
from email_api.journal import Journal
from email_api.message import Header, forwarded, trace_lines, without_mbox_line
from email_api.relay import Relay
from email_api.senders import Senders
from email_api.store import ADDRESS_LENGTH, Alias, Store

logger = logging.getLogger("email_api")

_CLAIM_SECONDS = 5


@dataclass(frozen=True)
class Mail:
    """A message and what Postfix said of it."""

    message: bytes
    protocol: str
    """For Received: HTTPS or LMTP."""
    recipient: str | None = None
    """Envelope recipient; None: find it in the header."""
    sender: str | None = None
    """Envelope sender, empty for the null sender; None: find it in the header."""
    queue_id: str | None = None


@dataclass(frozen=True)
class _Route:
    """One alias that a message is for."""

    recipient: str
    """As Postfix has it: part of what makes two handoffs the same."""
    alias: str
    mailboxes: tuple[str, ...]


class Handoffs:
    """Raises NotAccepted for whatever the sender has to keep."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        relay: Relay,
        senders: Senders,
        server_name: str,
        seal: Seal | None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._relay = relay
        self._senders = senders
        self._server_name = server_name
        self._seal = seal
        self._tasks: set[asyncio.Task[None]] = set()
        # Each as long as somebody holds it or waits for it.
        self._claims: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def accept(self, mail: Mail) -> None:
        """Returns when nothing more is to be done for this message. Goes on when the caller is
        cancelled: a client that hangs up must not cut the talk with the relay short."""
        task = asyncio.create_task(self._measured(mail))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        await asyncio.shield(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # Seen here, in case nobody waits for it any more.
        if not task.cancelled():
            task.exception()

    async def finish(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _measured(self, mail: Mail) -> None:
        mail = Mail(
            without_mbox_line(mail.message),
            mail.protocol,
            mail.recipient,
            mail.sender,
            mail.queue_id,
        )
        header = Header(mail.message)
        started = time.monotonic()
        fields = {"queue_id": mail.queue_id or header.queue_id, "message_id": header.message_id}
        if mail.recipient is not None:
            fields["recipient"] = mail.recipient
        with metrics.pending.track_inprogress(), metrics.seconds.time():
            try:
                await self._accept(mail, header)
            except NotAccepted as refusal:
                metrics.handoffs.labels(refusal.reason).inc()
                told = {**fields, "reason": refusal.reason, "detail": refusal.detail}
                logger.warning("not accepted", extra={"mail": told})
                raise
            except Exception:
                metrics.handoffs.labels("error").inc()
                logger.exception("not accepted", extra={"mail": fields})
                raise Unavailable("error", "see the log") from None
        metrics.handoffs.labels("accepted").inc()
        took = round(time.monotonic() - started, 3)
        logger.info("accepted", extra={"mail": {**fields, "seconds": took}})

    async def _accept(self, mail: Mail, header: Header) -> None:
        routes = await self._routes(mail, header)
        for route in routes:
            if header.has_passed(route.alias):
                raise Loop(f"{route.alias} has had this message before")
        sender = mail.sender if mail.sender is not None else header.sender
        for route in routes:
            await self._forward(mail, header, route, sender)

    async def _routes(self, mail: Mail, header: Header) -> list[_Route]:
        if mail.recipient is not None:
            return [await self._route([mail.recipient])]
        if delivered_to := header.delivered_to():
            # local(8) delivers to the name of its own alias, which is nobody's here.
            with suppress(UnknownAlias):
                return [await self._route(delivered_to)]
        addressees = [_folded(address) for address in header.addressees()]
        known = await self._store.find(addressees)
        routes = [_Route(name, name, known[name].mailboxes) for name in addressees if name in known]
        if routes:
            return list(dict.fromkeys(routes))
        if delivered_to or addressees:
            raise UnknownAlias((delivered_to or addressees)[0])
        raise NoRecipient("neither envelope nor header names a recipient")

    async def _route(self, recipients: Sequence[str]) -> _Route:
        """The first of some recipients that leads anywhere."""
        for recipient in recipients:
            if sender := self._senders.original(recipient):
                return _Route(recipient, recipient, (sender,))
        names = {recipient: _names(recipient) for recipient in recipients}
        wanted = [name for found in names.values() for name in found]
        known: dict[str, Alias] = await self._store.find(wanted)
        for recipient, candidates in names.items():
            for name in candidates:
                if name in known:
                    return _Route(recipient, _folded(recipient), known[name].mailboxes)
        raise UnknownAlias(recipients[0])

    async def _forward(self, mail: Mail, header: Header, route: _Route, sender: str) -> None:
        key = _key(mail, route)
        async with self._claim(key):
            journalled = await self._journal.mailboxes(key)
            relayed = await self._store.relayed(key)
            for mailbox in journalled - relayed:
                await self._store.record(key, mailbox)
            missing = [one for one in route.mailboxes if one not in relayed | journalled]
            seal = await self._seal.fields(mail.message) if self._seal and missing else b""
            failure: Unavailable | None = None
            for mailbox in missing:
                try:
                    await self._send(mail, header, route, sender, mailbox, seal)
                except Unavailable as error:
                    metrics.failed.labels(error.reason).inc()
                    failure = failure or error
                    if error.reason == "relay":
                        break
                    continue
                await self._remember(key, mailbox)
            if failure:
                raise failure
            if journalled or set(route.mailboxes) - relayed:
                await self._forget(key)

    @asynccontextmanager
    async def _claim(self, key: bytes) -> AsyncIterator[None]:
        """Nobody else works on this handoff meanwhile. There is one process: it has all of them."""
        lock = self._claims.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(_CLAIM_SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise Unavailable("in_flight", "another request works on this message") from None
        try:
            yield
        finally:
            lock.release()

    async def _send(
        self,
        mail: Mail,
        header: Header,
        route: _Route,
        sender: str,
        mailbox: str,
        seal: bytes,
    ) -> None:
        queue_id = mail.queue_id or header.queue_id
        trace = trace_lines(self._server_name, mail.protocol, queue_id, route.alias, mailbox)
        rewritten = self._senders.rewrite(sender)
        await self._relay.send(rewritten, mailbox, forwarded(mail.message, trace + seal))
        metrics.forwarded.inc()

    async def _remember(self, key: bytes, mailbox: str) -> None:
        try:
            await self._journal.add(key, mailbox)
        except Unavailable:
            logger.warning("journal does not answer, the database records all the same")
        await self._store.record(key, mailbox)

    async def _forget(self, key: bytes) -> None:
        try:
            await self._journal.forget(key)
        except Unavailable:
            logger.warning("journal does not answer, what it holds expires")


def _key(mail: Mail, route: _Route) -> bytes:
    digest = hashlib.sha256(mail.message).digest()
    recipient = route.recipient.encode("utf-8", "replace")
    queue_id = (mail.queue_id or "").encode("utf-8", "replace")
    return hashlib.sha256(b"%s\0%s\0%s" % (queue_id, recipient, digest)).digest()


def _folded(address: str) -> str:
    """As aliases are stored: lower case, the domain in ASCII where it can be."""
    local, at, domain = address.lower().rpartition("@")
    with suppress(UnicodeError):
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    return f"{local}{at}{domain}".encode("utf-8", "replace").decode()


def _names(recipient: str) -> list[str]:
    """The aliases that a recipient may be, in order: itself, without its +tag, catch-all."""
    folded = _folded(recipient)
    local, at, domain = folded.rpartition("@")
    if not at or len(folded) > ADDRESS_LENGTH:
        return []
    plain = local.split("+")[0]
    names = [folded, f"{plain}@{domain}", f"@{domain}"] if plain else [folded, f"@{domain}"]
    return list(dict.fromkeys(names))
