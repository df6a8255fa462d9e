"""The HTTP API."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from email_api import lmtp
from email_api.arc import ArcSealer
from email_api.errors import (
    InvalidBounceAddressError,
    MailLoopError,
    NoRecipientError,
    NotAcceptedError,
    UnavailableError,
    UnknownAliasError,
)
from email_api.handoff import Forwarder, Mail
from email_api.journal import Journal
from email_api.relay import Relay
from email_api.schemas import Accepted, AliasEntry, AliasList, AliasState, Live, Ready, Reason
from email_api.senders import sender_rewriter
from email_api.settings import Settings
from email_api.store import Alias, Store, digest

logger = logging.getLogger("email_api")

RETRY_SECONDS = 30
_PRUNE_SECONDS = 3600
_STATUS: dict[type[NotAcceptedError], int] = {
    NoRecipientError: 400,
    UnknownAliasError: 404,
    InvalidBounceAddressError: 410,
    MailLoopError: 508,
}


@dataclass(frozen=True)
class Service:
    """What requests are served with."""

    settings: Settings
    store: Store
    journal: Journal
    relay: Relay
    forwarder: Forwarder


def create_service(settings: Settings) -> Service:
    """Returns the service. Connections are opened on first use."""
    store = Store(settings.database_url, settings.database_answer_seconds)
    journal = Journal(settings.redis_url)
    relay = Relay(settings.relay, settings.server_name)
    senders = sender_rewriter(settings.forward_sender, settings.srs_secrets)
    arc = settings.arc
    sealer = ArcSealer(arc.key, arc.domain, arc.selector, arc.authserv_id) if arc else None
    forwarder = Forwarder(store, journal, relay, senders, settings.server_name, sealer)
    return Service(settings, store, journal, relay, forwarder)


_bearer = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _authorize(credentials: HTTPAuthorizationCredentials | None, tokens: Sequence[str]) -> None:
    """Raises HTTPException 401 unless the bearer token is valid. Takes the same time for every
    token."""
    given = credentials.credentials.encode() if credentials else b""
    # Compared with all of them: a loop that stops at the first match would take less time.
    matches = [hmac.compare_digest(given, token.encode()) for token in tokens]
    if not any(matches):
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(_service)]


async def _require_psk(service: CurrentService, credentials: Credentials) -> None:
    _authorize(credentials, service.settings.psks)


async def _require_admin_token(service: CurrentService, credentials: Credentials) -> None:
    _authorize(credentials, [service.settings.admin_token])


def _errors(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Error responses, for the OpenAPI document."""
    return {
        status: {"model": Reason, "description": description}
        for status, description in descriptions.items()
    }


_UNAUTHORIZED = {401: "The token is not valid."}
_UNAVAILABLE = {503: "The database, Redis or the relay is unavailable; retry later."}
_MESSAGE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The message, byte for byte (RFC 5322).",
        "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _decoded(value: str | None) -> str | None:
    """Decodes percent-encoded UTF-8 (RFC 3986), which keeps header values ASCII."""
    return None if value is None else unquote(value, errors="replace")


def create_app(settings: Settings) -> FastAPI:
    """Returns the application. Its service and the LMTP server start and stop with it."""
    app = FastAPI(
        title="email-api",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.add_exception_handler(NotAcceptedError, _not_accepted)
    app.add_exception_handler(HTTPException, _http_error)

    @app.post(
        "/v1/email",
        status_code=202,
        dependencies=[Depends(_require_psk)],
        openapi_extra=_MESSAGE_BODY,
        responses=_errors(
            {
                400: "Neither the envelope nor the header names a recipient.",
                **_UNAUTHORIZED,
                404: "No such alias.",
                410: "A bounce address that was never issued, or has expired.",
                413: "The message is too large.",
                508: "Mail loop: the message has been here before.",
                **_UNAVAILABLE,
            }
        ),
    )
    async def email(
        request: Request,
        service: CurrentService,
        x_queue_id: Annotated[str | None, Header(pattern="^[0-9A-Za-z]{1,64}$")] = None,
        x_envelope_sender: Annotated[str | None, Header(max_length=4000)] = None,
        x_envelope_recipient: Annotated[str | None, Header(max_length=4000)] = None,
    ) -> Accepted:
        """Forward one message to the mailboxes of its alias.

        `X-Envelope-Recipient` names the alias. Without it, the alias is searched in X-Original-To
        and Delivered-To above the first Received, then in To, Cc and Bcc. A retry with the same
        message, recipient and queue id sends no second copy. Envelope addresses are percent-encoded
        UTF-8.
        """
        mail = Mail(
            message=await _body(request, service.settings.max_message_bytes),
            protocol="HTTPS",
            recipient=_decoded(x_envelope_recipient) or None,
            sender=_decoded(x_envelope_sender),
            queue_id=x_queue_id,
        )
        await service.forwarder.forward(mail)
        return Accepted()

    @app.post(
        "/v1/email/check",
        status_code=204,
        dependencies=[Depends(_require_psk)],
        responses=_errors(_UNAUTHORIZED),
    )
    async def check() -> Response:
        """Check the pre-shared key; no other effect."""
        return Response(status_code=204)

    @app.get(
        "/v1/admin/aliases",
        dependencies=[Depends(_require_admin_token)],
        responses=_errors({**_UNAUTHORIZED, **_UNAVAILABLE}),
    )
    async def aliases(service: CurrentService) -> AliasState:
        """List all aliases."""
        return _alias_state(await service.store.aliases())

    @app.put(
        "/v1/admin/aliases",
        dependencies=[Depends(_require_admin_token)],
        responses=_errors({**_UNAUTHORIZED, **_UNAVAILABLE}),
    )
    async def replace_aliases(body: AliasList, service: CurrentService) -> AliasState:
        """Replace all aliases, in one transaction."""
        aliases = [
            Alias(entry.address, tuple(entry.mailboxes), entry.enabled) for entry in body.aliases
        ]
        await service.store.replace_aliases(aliases)
        return _alias_state(aliases)

    @app.get("/health/live")
    async def live() -> Live:
        """Whether the process responds."""
        return Live()

    @app.get("/health/ready", responses={503: {"model": Ready, "description": "Not ready."}})
    async def ready(service: CurrentService, response: Response) -> Ready:
        """Whether a message would be forwarded now."""
        pings = service.store.ping(), service.journal.ping(), service.relay.ping()
        database, redis, relay = await asyncio.gather(*(_state(ping) for ping in pings))
        if any(state != "ok" for state in (database, redis, relay)):
            response.status_code = 503
        return Ready(database=database, redis=redis, relay=relay)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Metrics in the text format of Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


async def _state(ping: Awaitable[None]) -> str:
    try:
        await ping
    except UnavailableError as error:
        return f"{error.reason}: {error.detail}"
    return "ok"


def _alias_state(aliases: Sequence[Alias]) -> AliasState:
    # Without validation: these were validated when they were stored.
    entries = [
        AliasEntry.model_construct(
            address=alias.address, mailboxes=list(alias.mailboxes), enabled=alias.enabled
        )
        for alias in sorted(aliases, key=lambda alias: alias.address)
    ]
    return AliasState.model_construct(aliases=entries, digest=digest(aliases))


async def _body(request: Request, limit: int) -> bytes:
    """Returns the request body. A body that is too large is read to its end before the reply, since
    clients do not read a reply earlier."""
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
    assert isinstance(error, NotAcceptedError)
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
    service = app.state.service = create_service(settings)
    lmtp_server = await lmtp.start_server(
        service.forwarder,
        settings.unknown_alias,
        settings.max_message_bytes,
        settings.server_name,
        settings.address,
        settings.lmtp_port,
    )
    pruning = asyncio.create_task(_prune(service.store))
    try:
        yield
    finally:
        lmtp_server.close()
        pruning.cancel()
        await service.forwarder.finish()
        await service.relay.close()
        await service.journal.close()
        await service.store.close()


async def _prune(store: Store) -> None:
    while True:
        try:
            while await store.prune():
                pass
        except UnavailableError:
            logger.warning("database unavailable, old records are not deleted")
        await asyncio.sleep(_PRUNE_SECONDS)
