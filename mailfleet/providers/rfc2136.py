"""Update a primary server by DNS UPDATE (RFC 2136), signed with TSIG (RFC 8945)."""

import asyncio
import binascii
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import get_args

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset
from mailfleet.dns.record import RecordType
from mailfleet.dns.resolve.answer import Answer, Lookups, query_all
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.settings import Rfc2136
from mailfleet.providers.servers import ProviderError
from mailfleet.secrets import Secret

_SECONDS = 10.0
_PER_MESSAGE = 100
"""Changes; a message holds 65535 bytes, and a record set seldom more than 600."""

_REMEDIES = {
    dns.rcode.NOTAUTH: "it is not the zone's primary, or does not know the key: compare "
    "dns_zones with the server's configuration",
    dns.rcode.REFUSED: "the key may not update this zone: allow it on the server",
    dns.rcode.NXRRSET: "the zone has changed since it was read: run the command again",
    dns.rcode.YXRRSET: "the zone has changed since it was read: run the command again",
}


class DynamicZone:
    """One zone at its primary server."""

    TYPES = frozenset(get_args(RecordType))

    def __init__(self, zone: str, settings: Rfc2136, secret: Secret) -> None:
        self._zone, self._server = zone, Address(settings.server, settings.port)
        self._key = _key(settings, secret)

    @property
    def label(self) -> str:
        return str(self._server)

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        """Every type of each name, as the server itself answers."""
        questions = [(name, kind) for name in names for kind in sorted(self.TYPES)]
        answers = asyncio.run(self._ask([(self._zone, "SOA"), *questions]))
        if not answers[0].values:
            raise ProviderError(
                f"{self._zone}: {self._server} answers for the zone: {answers[0].status}; check "
                "server and zone in dns_zones"
            )
        if lost := [answer for answer in answers if answer.failed and not answer.chain]:
            question = lost[0].question
            raise ProviderError(
                f"{self._zone}: {self._server}: {question.name} {question.type}: {lost[0].status}"
            )
        # What was found at the end of a CNAME is not the name's own.
        return [
            RRset(answer.question.name, answer.question.type, answer.values, answer.ttl)
            for answer in answers[1:]
            if answer.values and not answer.chain
        ]

    async def _ask(self, questions: Sequence[tuple[str, str]]) -> tuple[Answer, ...]:
        resolver = Resolver([self._server], Limits(seconds=60, rate=0))
        try:
            check: Lookups[tuple[Answer, ...]] = query_all(*questions)
            return await resolver.run(check)
        finally:
            resolver.close()

    def write(self, changes: Sequence[Change]) -> None:
        """Each message changes all or nothing, and nothing if what the plan saw is gone."""
        for part in _parts(changes):
            message = self._message(part)
            try:
                answer = dns.query.tcp(
                    message, self._server.host, timeout=_SECONDS, port=self._server.port
                )
            except dns.tsig.PeerError as error:
                raise ProviderError(
                    f"{self._zone}: {self._server} does not accept the key {self._key.name}: "
                    f"{error}; compare name, algorithm, value and both clocks"
                ) from None
            except (dns.exception.DNSException, OSError, EOFError) as error:
                raise ProviderError(
                    f"{self._zone}: {self._server} does not answer an update "
                    f"({type(error).__name__}): check address, port and firewall"
                ) from None
            if answer.rcode() != dns.rcode.NOERROR:
                code = answer.rcode()
                remedy = _REMEDIES.get(code, "see the server's log")
                raise ProviderError(
                    f"{self._zone}: {self._server} answers {dns.rcode.to_text(code)}: {remedy}"
                )

    def _message(self, changes: Sequence[Change]) -> dns.message.Message:
        update = dns.update.UpdateMessage(f"{self._zone}.", keyring=self._key)
        met = set()
        for change in changes:
            name, kind = dns.name.from_text(f"{change.name}."), change.type
            if (name, kind) not in met:
                met.add((name, kind))
                # Section 2.4: what the plan was made of must still be there.
                if change.before is None:
                    update.absent(name, kind)
                else:
                    update.present(name, kind, *change.before.lines)
            if change.after is None:
                update.delete(name, kind)
            else:
                update.replace(name, change.after.ttl, kind, *change.after.lines)
        return update


def _parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    rest = iter(changes)
    while part := list(islice(rest, _PER_MESSAGE)):
        yield part


def _key(settings: Rfc2136, secret: Secret) -> dns.tsig.Key:
    try:
        return dns.tsig.Key(settings.key_name, secret.reveal(), settings.algorithm)
    except (binascii.Error, ValueError, dns.exception.DNSException):
        raise ProviderError(
            f"the TSIG key {settings.key_name} is no base64: set {settings.secret.name} again with "
            "`mailfleet secrets set`"
        ) from None
