"""Handoff of one message from Postfix: forward it to every mailbox of its alias exactly once.

    lock       one request at a time works on a handoff
    check      read from the database and the journal which mailboxes have their copy already
    send       one copy to each of the others; after the relay's 250:
    journal    write to Valkey or Redis, within a fraction of a millisecond
    record     write to the database, durably
    reply      "accepted", once every mailbox is recorded

If the process is killed between the relay's reply and the journal, the retry sends a second copy to
one mailbox: SMTP has no way to ask a relay what became of a message.
"""

import asyncio
import dataclasses
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from email_api import metrics
from email_api.arc import ArcSealer
from email_api.errors import MailLoopError, NotAcceptedError, UnavailableError
from email_api.journal import Journal
from email_api.message import Header, prepend_fields, strip_mbox_line, trace_fields
from email_api.relay import Relay
from email_api.routing import Route, Router
from email_api.senders import SenderRewriter
from email_api.store import Store

logger = logging.getLogger("email_api")

_LOCK_SECONDS = 5


@dataclass(frozen=True)
class Mail:
    """A message and its envelope."""

    message: bytes
    protocol: str
    """HTTPS or LMTP, for the Received field."""
    recipient: str | None = None
    """Envelope recipient. None: taken from the header."""
    sender: str | None = None
    """Envelope sender; empty is the null sender. None: taken from the header."""
    queue_id: str | None = None


class Forwarder:
    """Forwards messages through the relay."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        relay: Relay,
        senders: SenderRewriter,
        server_name: str,
        sealer: ArcSealer | None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._relay = relay
        self._router = Router(store, senders)
        self._senders = senders
        self._server_name = server_name
        self._sealer = sealer
        self._tasks: set[asyncio.Task[None]] = set()
        # A lock disappears when nobody holds it or waits for it.
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def forward(self, mail: Mail) -> None:
        """Returns when the relay has accepted every copy and the database has recorded it.

        Raises NotAcceptedError if the sender must keep or bounce the message. Continues when the
        caller is cancelled: a client that disconnects must not interrupt an SMTP transaction.
        """
        task = asyncio.create_task(self._observed(mail))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # Reading the exception keeps asyncio from logging it when the caller is gone.
        if not task.cancelled():
            task.exception()

    async def finish(self) -> None:
        """Wait for all messages in progress."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _observed(self, mail: Mail) -> None:
        """Forward a message, with its log record and metrics."""
        mail = dataclasses.replace(mail, message=strip_mbox_line(mail.message))
        header = Header(mail.message)
        started = time.monotonic()
        fields = {"queue_id": mail.queue_id or header.queue_id, "message_id": header.message_id}
        if mail.recipient is not None:
            fields["recipient"] = mail.recipient
        with metrics.pending.track_inprogress(), metrics.seconds.time():
            try:
                await self._forward(mail, header)
            except NotAcceptedError as error:
                metrics.handoffs.labels(error.reason).inc()
                details = {**fields, "reason": error.reason, "detail": error.detail}
                logger.warning("not accepted", extra={"mail": details})
                raise
            except Exception:
                metrics.handoffs.labels("error").inc()
                logger.exception("not accepted", extra={"mail": fields})
                raise UnavailableError("error", "see the log") from None
        metrics.handoffs.labels("accepted").inc()
        duration = round(time.monotonic() - started, 3)
        logger.info("accepted", extra={"mail": {**fields, "seconds": duration}})

    async def _forward(self, mail: Mail, header: Header) -> None:
        routes = await self._router.routes(mail.recipient, header)
        for route in routes:
            if header.is_looping(route.alias):
                raise MailLoopError(f"mail loop at {route.alias}")
        for route in routes:
            await self._forward_to_alias(mail, header, route)

    async def _forward_to_alias(self, mail: Mail, header: Header, route: Route) -> None:
        key = _handoff_key(mail, route)
        async with self._lock(key):
            journalled = await self._journal.mailboxes(key)
            relayed = await self._store.relayed(key)
            for mailbox in journalled - relayed:
                await self._store.record(key, mailbox)
            missing = [name for name in route.mailboxes if name not in relayed | journalled]
            seal = await self._sealer.seal(mail.message) if self._sealer and missing else b""
            failure: UnavailableError | None = None
            for mailbox in missing:
                try:
                    await self._send(mail, header, route, mailbox, seal)
                except UnavailableError as error:
                    metrics.failed.labels(error.reason).inc()
                    failure = failure or error
                    # A temporary failure would most likely hit the other mailboxes too.
                    if error.reason == "relay":
                        break
                else:
                    await self._record(key, mailbox)
            if failure:
                raise failure
            if journalled or missing:
                await self._clear_journal(key)

    @asynccontextmanager
    async def _lock(self, key: bytes) -> AsyncIterator[None]:
        """Excludes other requests with the same handoff. A lock in memory is enough, since a
        database belongs to one process."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(_LOCK_SECONDS):
                await lock.acquire()
        except TimeoutError:
            detail = "another request is processing this message"
            raise UnavailableError("in_flight", detail) from None
        try:
            yield
        finally:
            lock.release()

    async def _send(
        self, mail: Mail, header: Header, route: Route, mailbox: str, seal: bytes
    ) -> None:
        sender = mail.sender if mail.sender is not None else header.sender
        queue_id = mail.queue_id or header.queue_id
        trace = trace_fields(self._server_name, mail.protocol, queue_id, route.alias, mailbox)
        message = prepend_fields(mail.message, trace + seal)
        await self._relay.send(self._senders.rewrite(sender), mailbox, message)
        metrics.forwarded.inc()

    async def _record(self, key: bytes, mailbox: str) -> None:
        try:
            await self._journal.add(key, mailbox)
        except UnavailableError:
            logger.warning("journal unavailable, recording in the database only")
        await self._store.record(key, mailbox)

    async def _clear_journal(self, key: bytes) -> None:
        try:
            await self._journal.delete(key)
        except UnavailableError:
            logger.warning("journal unavailable, its entries expire by themselves")


def _handoff_key(mail: Mail, route: Route) -> bytes:
    """Identifies a handoff: SHA-256 of queue id, recipient and SHA-256 of the message."""
    digest = hashlib.sha256(mail.message).digest()
    recipient = route.recipient.encode("utf-8", "replace")
    queue_id = (mail.queue_id or "").encode("utf-8", "replace")
    return hashlib.sha256(b"%s\0%s\0%s" % (queue_id, recipient, digest)).digest()
