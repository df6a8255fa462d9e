"""Fakes of the providers' APIs, at the outer edge: HTTP requests as documented, and what comes
back."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, Any]]
TOKEN = "canary7e1dtoken"


class Fake(ThreadingHTTPServer):
    """Keeps what it was asked: method, path and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def written(self) -> list[tuple[str, str, Any]]:
        return [request for request in self.requests if request[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, head: Any) -> Reply:
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def _reply(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.requests.append((self.command, url.path, body))
        status, answer = self.server.answer(self.command, url.path, query, body, self.headers)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = _reply

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(fake: Fake) -> Iterator[None]:
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        fake.shutdown()
        fake.server_close()
        thread.join()


class FakeCloudflare(Fake):
    """/zones, /dns_records with pages, and /dns_records/batch: deletes, patches, then posts, all or
    none; no A beside a CNAME, no record twice."""

    ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
    PAGE = 3

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, Any]] = {}
        self._number = 0

    def add(self, **record: Any) -> None:
        self._number += 1
        number = f"{self._number:032x}"
        self.records[number] = {"id": number, "ttl": 1, "proxied": False, **record}

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, head: Any) -> Reply:
        if head["Authorization"] != f"Bearer {TOKEN}":
            return 403, self._error(9109, "Invalid access token")
        if path == "/zones":
            rows = [{"id": self.ZONE, "name": "example.com"}]
            found = [row for row in rows if row["name"] == query["name"]]
            return 200, {"success": True, "errors": [], "result": found}
        records = f"/zones/{self.ZONE}/dns_records"
        if (method, path) == ("GET", records):
            rows = list(self.records.values())
            start = (int(query["page"]) - 1) * self.PAGE
            pages = -(-len(rows) // self.PAGE)
            info = {"page": int(query["page"]), "per_page": self.PAGE, "total_pages": pages}
            page = rows[start : start + self.PAGE]
            return 200, {"success": True, "errors": [], "result": page, "result_info": info}
        assert (method, path) == ("POST", f"{records}/batch")
        return self._batch(body)

    def _batch(self, body: dict[str, list[dict[str, Any]]]) -> Reply:
        before = {key: dict(record) for key, record in self.records.items()}
        for one in body.get("deletes", []):
            del self.records[one["id"]]
        for one in body.get("patches", []):
            self.records[one["id"]] |= one
        posts = []
        for one in body.get("posts", []):
            record = {**one, "content": self._content(one)}
            for other in self.records.values():
                same = other["name"] == record["name"]
                if same and "CNAME" in (other["type"], record["type"]):
                    self.records = before
                    text = "A CNAME record with that host already exists."
                    return 400, self._error(81053, text)
                if all(other.get(key) == record[key] for key in ("name", "type", "content")):
                    self.records = before
                    return 400, self._error(81058, "An identical record already exists.")
            self.add(**record)
            posts.append(list(self.records.values())[-1])
        return 200, {"success": True, "errors": [], "result": {"posts": posts}}

    @staticmethod
    def _content(one: dict[str, Any]) -> str:
        data = one.get("data")
        if one["type"] == "CAA":
            return f'{data["flags"]} {data["tag"]} "{data["value"]}"'
        if one["type"] == "TLSA":
            keys = ("usage", "selector", "matching_type", "certificate")
            return " ".join(str(data[key]) for key in keys)
        content: str = one["content"]
        return content

    @staticmethod
    def _error(code: int, message: str) -> dict[str, Any]:
        errors = [{"code": code, "message": message}]
        return {"success": False, "errors": errors, "messages": [], "result": None}


class FakeHetzner(Fake):
    """Zones with their record sets, primary and floating IPs; each change is an action that is
    running when it begins and done when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.rrsets: dict[tuple[str, str], dict[str, Any]] = {}
        self.ips = [
            self._ip(1, "ipv4", "192.0.2.10", "static.10.2.0.192.clients.your-server.de"),
            {**self._ip(2, "ipv6", "2001:db8::/64", ""), "dns_ptr": []},
        ]

    def add(self, name: str, kind: str, values: list[str], ttl: int | None = None) -> None:
        self.rrsets[name, kind] = {
            "id": f"{name}/{kind}",
            "name": name,
            "type": kind,
            "ttl": ttl,
            "labels": {},
            "protection": {"change": False},
            "records": [{"value": value, "comment": ""} for value in values],
            "zone": 42,
        }

    @staticmethod
    def _ip(number: int, kind: str, address: str, name: str) -> dict[str, Any]:
        pointers = [{"ip": address, "dns_ptr": name}]
        return {
            "id": number,
            "name": f"ip{number}",
            "type": kind,
            "ip": address,
            "dns_ptr": pointers,
            "labels": {},
            "assignee_id": 1,
            "assignee_type": "server",
            "auto_delete": False,
            "blocked": False,
            "protection": {"delete": False},
        }

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, head: Any) -> Reply:
        if head["Authorization"] != f"Bearer {TOKEN}":
            return 401, self._error("unauthorized", "the provided token is not valid")
        if path == "/zones/example.com":
            zone = {"id": 42, "name": "example.com", "mode": "primary", "ttl": 3600}
            return 200, {"zone": zone}
        if path.startswith("/actions"):
            return 200, {"actions": [self._action("success")], "action": self._action("success")}
        if path in ("/primary_ips", "/floating_ips"):
            key = path.removeprefix("/")
            return 200, {key: self.ips if key == "primary_ips" else [], "meta": self._meta()}
        if found := re.fullmatch(r"/primary_ips/(\d)/actions/change_dns_ptr", path):
            ip = self.ips[int(found[1]) - 1]
            ip["dns_ptr"] = [body]
            return 201, {"action": self._action("running")}
        if found := re.fullmatch(r"/zones/(?:42|example.com)/rrsets(.*)", path):
            return self._rrsets(method, found[1], body)
        return 404, self._error("not_found", "zone not found")

    def _rrsets(self, method: str, rest: str, body: Any) -> Reply:
        if method == "GET":
            return 200, {"rrsets": list(self.rrsets.values()), "meta": self._meta()}
        if not rest:
            key = body["name"], body["type"]
            if key in self.rrsets:
                return 409, self._error("uniqueness_error", "RRSet exists")
            for record in body["records"]:
                if body["type"] == "TXT" and not record["value"].startswith('"'):
                    return 422, self._error("invalid_input", "TXT records must be quoted")
            values = [record["value"] for record in body["records"]]
            self.add(*key, values, body["ttl"])
            return 201, {"rrset": self.rrsets[key], "action": self._action("running")}
        name, kind, *action = rest.removeprefix("/").split("/")
        if method == "DELETE":
            del self.rrsets[name, kind]
        elif action[-1] == "set_records":
            self.rrsets[name, kind]["records"] = body["records"]
        else:
            assert action[-1] == "change_ttl"
            self.rrsets[name, kind]["ttl"] = body["ttl"]
        return 201, {"action": self._action("running")}

    @staticmethod
    def _action(status: str) -> dict[str, Any]:
        return {
            "id": 1,
            "command": "change",
            "status": status,
            "progress": 100,
            "error": None,
            "started": "2026-01-01T00:00:00+00:00",
            "finished": None,
            "resources": [],
        }

    @staticmethod
    def _meta() -> dict[str, Any]:
        page = {
            "page": 1,
            "per_page": 50,
            "previous_page": None,
            "next_page": None,
            "last_page": 1,
            "total_entries": 1,
        }
        return {"pagination": page}

    @staticmethod
    def _error(code: str, message: str) -> dict[str, Any]:
        return {"error": {"code": code, "message": message, "details": None}}


class FakeLightsail(Fake):
    """GetDomain and the three operations on single entries (AWS JSON 1.1), in us-east-1 only."""

    TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, dict[str, Any]] = {}
        self._number = 0

    def add(self, name: str, kind: str, target: str, alias: bool = False) -> None:
        self._number += 1
        self.entries[str(self._number)] = {
            "id": str(self._number),
            "name": name,
            "type": kind,
            "target": target,
            "isAlias": alias,
        }

    @property
    def written(self) -> list[tuple[str, str, Any]]:
        return [request for request in self.requests if "domainEntry" in request[2]]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, head: Any) -> Reply:
        assert "/us-east-1/lightsail/aws4_request" in head["Authorization"]
        operation = head["X-Amz-Target"].removeprefix("Lightsail_20161128.")
        if body["domainName"] != "example.com":
            return 400, {"__type": "NotFoundException", "message": "The Domain does not exist"}
        if operation == "GetDomain":
            entries = list(self.entries.values())
            return 200, {"domain": {"name": "example.com", "domainEntries": entries}}
        entry = body["domainEntry"]
        if entry["type"] not in self.TYPES:
            return 400, {"__type": "InvalidInputException", "message": "type is not supported"}
        if operation == "CreateDomainEntry":
            self.add(entry["name"], entry["type"], entry["target"])
        elif operation == "DeleteDomainEntry":
            assert self.entries.pop(entry["id"])["target"] == entry["target"]
        else:
            assert operation == "UpdateDomainEntry"
            assert entry["id"] in self.entries
            self.entries[entry["id"]] = entry
        return 200, {"operation": {"status": "Succeeded"}, "operations": []}
