"""The HTTP side."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from email_api import lmtp
from email_api.arc import Seal
from email_api.errors import Loop, NoRecipient, NotAccepted, NotIssued, Unavailable, UnknownAlias
from email_api.handoff import Handoffs, Mail
from email_api.journal import Journal
from email_api.relay import Relay
from email_api.senders import senders
from email_api.settings import Settings
from email_api.store import ADDRESS_LENGTH, Alias, Store, digest

logger = logging.getLogger("email_api")

RETRY_SECONDS = 30
_PRUNE_SECONDS = 3600
_STATUS: dict[type[NotAccepted], int] = {
    NoRecipient: 400,
    UnknownAlias: 404,
    NotIssued: 410,
    Loop: 508,
}


class Reason(BaseModel):
    """Why a message was not accepted, in one word."""

    reason: str


class Accepted(BaseModel):
    """The relay has taken the message for every mailbox of the alias."""

    status: Literal["accepted"] = "accepted"


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Each part: `ok`, or what is wrong."""

    database: str
    redis: str
    relay: str


_ALIAS_PATTERN = r"^[^@\s\x00-\x1f\x7f]*@[a-z0-9.-]+$"
_MAILBOX_PATTERN = r"^[^@\s<>\x00-\x1f\x7f]+@[A-Za-z0-9.-]+$"
Address = Annotated[str, Field(max_length=ADDRESS_LENGTH, pattern=_MAILBOX_PATTERN)]


class AliasEntry(BaseModel):
    """An alias: an address in lower case, or `@domain` for all others of a domain."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[str, Field(max_length=ADDRESS_LENGTH, pattern=_ALIAS_PATTERN)]
    mailboxes: Annotated[list[Address], Field(min_length=1, max_length=100)]
    enabled: bool = True


class AliasList(BaseModel):
    """All aliases there are."""

    model_config = ConfigDict(extra="forbid")

    aliases: list[AliasEntry]

    @model_validator(mode="after")
    def _each_once(self) -> "AliasList":
        addresses = [entry.address for entry in self.aliases]
        if any(address != address.lower() for address in addresses):
            raise ValueError("addresses of aliases are in lower case")
        if len(set(addresses)) != len(addresses):
            raise ValueError("an address is there twice")
        return self


class AliasState(AliasList):
    """All aliases, and a digest to compare them by."""

    digest: str


@dataclass(frozen=True)
class Service:
    """The parts that every request needs."""

    settings: Settings
    store: Store
    journal: Journal
    relay: Relay
    handoffs: Handoffs


def service_of(settings: Settings) -> Service:
    """Nothing is connected to yet."""
    store = Store(settings.database_url, settings.database_answer_seconds)
    journal = Journal(settings.redis_url)
    relay = Relay(settings.relay, settings.server_name)
    sender = senders(settings.forward_sender, settings.srs_secrets)
    arc = settings.arc
    seal = Seal(arc.key, arc.domain, arc.selector, arc.authserv_id) if arc else None
    handoffs = Handoffs(store, journal, relay, sender, settings.server_name, seal)
    return Service(settings, store, journal, relay, handoffs)


_bearer = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _require(credentials: HTTPAuthorizationCredentials | None, valid: Sequence[str]) -> None:
    """In constant time, however many are valid."""
    given = credentials.credentials.encode() if credentials else b""
    if sum([hmac.compare_digest(given, one.encode()) for one in valid]) == 0:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceHere = Annotated[Service, Depends(_service)]


async def _by_mailserver(service: ServiceHere, credentials: Credentials) -> None:
    _require(credentials, service.settings.psks)


async def _by_admin(service: ServiceHere, credentials: Credentials) -> None:
    _require(credentials, [service.settings.admin_token])


def _answers(**codes: str) -> dict[int | str, dict[str, Any]]:
    return {
        int(code.removeprefix("_")): {"model": Reason, "description": text}
        for code, text in codes.items()
    }


_UNAUTHORIZED = _answers(_401="The token is not valid.")
_UNAVAILABLE = _answers(_503="Database, Redis or relay do not answer; try again later.")
_MESSAGE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The message, byte for byte (RFC 5322).",
        "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_TEXT_HEADER = {"max_length": 2000}


def _decoded(value: str | None) -> str | None:
    """Percent-encoded UTF-8 (RFC 3986), since header values are ASCII."""
    return None if value is None else unquote(value, errors="replace")


def create_app(settings: Settings) -> FastAPI:
    """The application; what it talks to is opened when it starts."""
    app = FastAPI(
        title="email-api",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.add_exception_handler(NotAccepted, _not_accepted)
    app.add_exception_handler(HTTPException, _http_error)

    @app.post(
        "/v1/email",
        status_code=202,
        dependencies=[Depends(_by_mailserver)],
        openapi_extra=_MESSAGE_BODY,
        responses={
            **_answers(_400="Neither envelope nor header names a recipient."),
            **_UNAUTHORIZED,
            **_answers(_404="No such alias."),
            **_answers(_410="A bounce address that was never given out, or has expired."),
            **_answers(_413="The message is too large."),
            **_answers(_508="The message has been here before."),
            **_UNAVAILABLE,
        },
    )
    async def email(
        request: Request,
        service: ServiceHere,
        x_queue_id: Annotated[str | None, Header(pattern="^[0-9A-Za-z]{1,64}$")] = None,
        x_envelope_sender: Annotated[str | None, Header(max_length=4000)] = None,
        x_envelope_recipient: Annotated[str | None, Header(max_length=4000)] = None,
    ) -> Accepted:
        """Forward one message to the mailboxes of one alias.

        With `X-Envelope-Recipient` the alias is that address. Without it the alias is found in
        X-Original-To and Delivered-To above the first Received, else among To, Cc and Bcc. The
        same message, recipient and queue id again sends nothing again. Envelope addresses are
        percent-encoded UTF-8.
        """
        message = await _body(request, service.settings.max_message_bytes)
        mail = Mail(
            message,
            "HTTPS",
            _decoded(x_envelope_recipient) or None,
            _decoded(x_envelope_sender),
            x_queue_id,
        )
        await service.handoffs.accept(mail)
        return Accepted()

    @app.post(
        "/v1/email/check",
        status_code=204,
        dependencies=[Depends(_by_mailserver)],
        responses=_UNAUTHORIZED,
    )
    async def check() -> Response:
        """Whether the pre-shared key is valid; does nothing."""
        return Response(status_code=204)

    @app.get(
        "/v1/admin/aliases",
        dependencies=[Depends(_by_admin)],
        responses={**_UNAUTHORIZED, **_UNAVAILABLE},
    )
    async def aliases(service: ServiceHere) -> AliasState:
        """All aliases."""
        return _state(await service.store.aliases())

    @app.put(
        "/v1/admin/aliases",
        dependencies=[Depends(_by_admin)],
        responses={**_UNAUTHORIZED, **_UNAVAILABLE},
    )
    async def replace_aliases(wanted: AliasList, service: ServiceHere) -> AliasState:
        """Make these the aliases, all at once: others are removed."""
        given = [Alias(a.address, tuple(a.mailboxes), a.enabled) for a in wanted.aliases]
        await service.store.replace(given)
        return _state(given)

    @app.get("/health/live")
    async def live() -> Live:
        """The process answers."""
        return Live()

    @app.get("/health/ready", responses={503: {"model": Ready, "description": "Not ready."}})
    async def ready(service: ServiceHere, response: Response) -> Ready:
        """Whether a message would be forwarded now."""
        parts = (service.store.ping(), service.journal.ping(), service.relay.ping())
        found = await asyncio.gather(*parts, return_exceptions=True)
        for error in found:
            if error is not None and not isinstance(error, NotAccepted):
                raise error
        if any(found):
            response.status_code = 503
        told = [
            f"{one.reason}: {one.detail}" if isinstance(one, NotAccepted) else "ok" for one in found
        ]
        return Ready(database=told[0], redis=told[1], relay=told[2])

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _state(found: Sequence[Alias]) -> AliasState:
    entries = [
        AliasEntry.model_construct(
            address=a.address, mailboxes=list(a.mailboxes), enabled=a.enabled
        )
        for a in sorted(found, key=lambda alias: alias.address)
    ]
    return AliasState.model_construct(aliases=entries, digest=digest(found))


async def _body(request: Request, limit: int) -> bytes:
    """What is too large is read to its end all the same, for a client does not look for an answer
    before."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
    if size > limit:
        raise HTTPException(413)
    return b"".join(parts)


async def _not_accepted(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NotAccepted)
    status = _STATUS.get(type(error), 503)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONResponse({"reason": error.reason}, status, headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    reason = {401: "unauthorized", 413: "too_large"}.get(error.status_code, error.detail)
    return JSONResponse({"reason": reason}, error.status_code, error.headers)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    service = app.state.service = service_of(settings)
    where = (settings.address, settings.lmtp_port)
    server = await lmtp.serve(
        service.handoffs,
        settings.unknown_alias,
        settings.max_message_bytes,
        settings.server_name,
        where,
    )
    pruning = asyncio.create_task(_prune(service.store))
    try:
        yield
    finally:
        server.close()
        pruning.cancel()
        await service.handoffs.finish()
        await service.relay.close()
        await service.journal.close()
        await service.store.close()


async def _prune(store: Store) -> None:
    while True:
        try:
            while await store.prune():
                pass
        except Unavailable:
            logger.warning("old records are not removed: the database does not answer")
        await asyncio.sleep(_PRUNE_SECONDS)
