"""Zones at Cloudflare. API: https://developers.cloudflare.com/api/resources/dns/"""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import requests

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset, value_of
from mailfleet.dns.record import presentation
from mailfleet.providers.servers import ProviderError
from mailfleet.secrets import Secret

ENDPOINT = "https://api.cloudflare.com/client/v4"
_TIMEOUT_SECONDS = (5, 30)  # To connect, to answer.
_PAGE = 100
_BATCH = 200
"""Records in one request on a free plan (Cloudflare, "Batch record changes")."""
_AUTOMATIC = 1
"""The TTL that means Cloudflare's own choice; proxied records have no other."""


class CloudflareZone:
    """One zone of a Cloudflare account. `$CLOUDFLARE_ENDPOINT` replaces the address of the API."""

    TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT"})
    label = "Cloudflare"

    def __init__(self, zone: str, token: Secret) -> None:
        if not re.fullmatch(r"[!-~]+", token.reveal()):
            raise ProviderError(
                f"{zone}: Cloudflare's token is empty or no token: make one at "
                "https://dash.cloudflare.com/profile/api-tokens"
            )
        self._name, self._token = zone, token
        self._url = os.environ.get("CLOUDFLARE_ENDPOINT") or ENDPOINT
        self._ids: dict[tuple[str, str, str], tuple[str, bool]] = {}
        """Name, type and value of each record that was read -> its id, and whether it is
        proxied."""
        self._path = ""

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        self._ids.clear()
        found: dict[tuple[str, str], tuple[list[str], int | None]] = {}
        for record in self._pages(f"{self._zone_path()}/dns_records"):
            name, kind = record["name"].lower(), record["type"]
            if kind not in self.TYPES:
                continue
            value = _value(record)
            self._ids[name, kind, value] = record["id"], bool(record.get("proxied"))
            ttl = None if record["ttl"] == _AUTOMATIC else record["ttl"]
            found.setdefault((name, kind), ([], ttl))[0].append(value)
        return [RRset(*key, tuple(values), ttl) for key, (values, ttl) in found.items()]

    def write(self, changes: Sequence[Change]) -> None:
        """In batches: each is made as one (deletes, then updates, then what is new)."""
        batch: dict[str, list[Any]] = {"deletes": [], "patches": [], "posts": []}
        for change in changes:
            if not self._knows(change):
                self._send(batch)
                batch = {key: [] for key in batch}
            part = self._part(change)
            if sum(map(len, batch.values())) + sum(map(len, part.values())) > _BATCH:
                self._send(batch)
                batch = {key: [] for key in batch}
            for key, items in part.items():
                batch[key] += items
        self._send(batch)

    def _knows(self, change: Change) -> bool:
        """Whether all records that it touches have an id by now: those of this batch have none."""
        values = change.before.values if change.before else ()
        return all((change.name, change.type, value) in self._ids for value in values)

    def _part(self, change: Change) -> dict[str, list[Any]]:
        """What to do with single records: those that stay keep their id, comments and tags."""
        before, after = change.before, change.after
        old = before.values if before else ()
        new = after.values if after else ()
        ttl = (after and after.ttl) or _AUTOMATIC
        gone = [self._ids.pop((change.name, change.type, one))[0] for one in old if one not in new]
        stay = [self._ids[change.name, change.type, one] for one in new if one in old]
        changed = bool(before and after and before.ttl != after.ttl)
        return {
            "deletes": [{"id": one} for one in gone],
            "patches": [
                {"id": one, "ttl": ttl} for one, proxied in stay if changed and not proxied
            ],
            "posts": [_body(change, one, ttl) for one in new if one not in old],
        }

    def _send(self, batch: dict[str, list[Any]]) -> None:
        if any(batch.values()):
            path = f"{self._zone_path()}/dns_records/batch"
            result = self._call(
                "POST", path, json={key: part for key, part in batch.items() if part}
            )
            for record in result["result"].get("posts") or []:
                key = record["name"].lower(), record["type"], _value(record)
                self._ids[key] = record["id"], False

    def _zone_path(self) -> str:
        if not self._path:
            zones = self._call("GET", "zones", params={"name": self._name})["result"]
            if not zones:
                raise ProviderError(
                    f"{self._name}: the Cloudflare token sees no such zone: check dns_zones, and "
                    "that the token may edit DNS of this zone"
                )
            self._path = f"zones/{zones[0]['id']}"
        return self._path

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        page, pages = 0, 1
        while page < pages:
            page += 1
            found = self._call("GET", path, params={"page": page, "per_page": _PAGE})
            pages = found["result_info"]["total_pages"]
            yield from found["result"]

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        try:
            answer = requests.request(
                method,
                f"{self._url}/{path}",
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
                **content,
            )
            body = answer.json()
        except requests.RequestException as error:
            # Only its kind: the text of some of these errors holds request headers, so the token.
            raise ProviderError(
                f"{self._name}: the Cloudflare API cannot be used ({type(error).__name__}): "
                "check the connection, then try again"
            ) from None
        if answer.ok and isinstance(body, dict) and body.get("success"):
            return body
        raise ProviderError(f"{self._name}: {_complaint(answer.status_code, body)}")


def _complaint(status: int, body: Any) -> str:
    errors = body.get("errors") if isinstance(body, dict) else None
    text = "; ".join(f"{one.get('message')} ({one.get('code')})" for one in errors or [])
    remedy = (
        ": the token is not accepted, or may not edit DNS of this zone"
        if status in (401, 403)
        else ""
    )
    return f"the Cloudflare API answers {status}: {text or 'no reason'}{remedy}"


def _value(record: dict[str, Any]) -> str:
    """`content` is a zone file's text without the trailing dots of names, and without the
    preference of MX and SRV."""
    kind, content = record["type"], record["content"]
    if kind == "TXT" and not content.startswith('"'):
        # Records of before 2024 may stand there without quotes.
        return str(content)
    if kind in ("MX", "SRV") and "priority" in record:
        content = f"{record['priority']} {content}"
    if kind in ("CNAME", "MX", "PTR", "SRV"):
        content = presentation(kind, " ".join(content.split()).removesuffix("."))
    return value_of(kind, content)


def _body(change: Change, value: str, ttl: int) -> dict[str, Any]:
    body: dict[str, Any] = {"name": change.name, "type": change.type, "ttl": ttl}
    words = value.split(" ")
    match change.type:
        case "MX":
            return body | {"priority": int(words[0]), "content": words[1]}
        case "SRV":
            numbers = dict(zip(("priority", "weight", "port"), map(int, words), strict=False))
            return body | {"data": numbers | {"target": words[3]}}
        case "CAA":
            flags, tag, text = value.split(" ", 2)
            return body | {"data": {"flags": int(flags), "tag": tag, "value": text.strip('"')}}
        case "TLSA":
            keys = ("usage", "selector", "matching_type")
            numbers = dict(zip(keys, map(int, words[:3]), strict=True))
            return body | {"data": numbers | {"certificate": words[3]}}
        case "A" | "AAAA" | "CNAME":
            # Mail does not pass Cloudflare's proxy, and Postal wants to see the CNAME itself.
            return body | {"content": value, "proxied": False}
        case _:
            return body | {"content": presentation(change.type, value)}
