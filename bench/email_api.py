"""`POST /v1/email` alone: requests per second and latency, and memory over many messages.

    cd files/email-api && .venv/bin/python ../../bench/email_api.py [--messages 100000]

Real MariaDB and Redis, a relay in another process that takes everything, all on this machine.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "files/email-api"))

from tests.servers import ADMIN_TOKEN, PSK, Api, MariaDB, Redis, free_port, listens, until

MESSAGE = b"From: a@sender.test\r\nSubject: bench\r\n\r\n" + b"x" * 78 + b"\r\n"
BODY = MESSAGE + (b"y" * 78 + b"\r\n") * 49
CONNECTIONS = (1, 16, 64)


class _Sink(asyncio.Protocol):
    """The least a relay can do: what is measured is the API."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._in_data, self._rest = transport, False, b""
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if self._in_data:
            if self._rest.endswith(b"\r\n.\r\n"):
                self._in_data, self._rest = False, b""
                self._transport.write(b"250 taken\r\n")
            return
        while b"\r\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\r\n")
            command = line[:4].upper()
            self._in_data = command == b"DATA"
            self._transport.write(b"354 go on\r\n" if self._in_data else b"250 ok\r\n")


def _run_sink(port: int) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def running() -> Iterator[Api]:
    """The API with one alias, and all it needs."""
    port = free_port()
    sink = multiprocessing.Process(target=_run_sink, args=(port,), daemon=True)
    sink.start()
    with tempfile.TemporaryDirectory(prefix="email-api-") as name:
        directory = Path(name)
        mariadb, redis = MariaDB(directory), Redis(directory)
        api = Api(directory, mariadb, redis, port)
        try:
            until(lambda: listens(port), "the sink starts")
            mariadb.create()
            redis.start()
            api.start()
            headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            aliases = [{"address": "info@example.com", "mailboxes": ["a@mailbox.test"]}]
            url = f"http://127.0.0.1:{api.port}/v1/admin/aliases"
            httpx.put(url, json={"aliases": aliases}, headers=headers).raise_for_status()
            yield api
        finally:
            for process in (api, redis, mariadb):
                process.stop()
            sink.terminate()


def _request(number: int) -> bytes:
    head = (
        "POST /v1/email HTTP/1.1\r\nHost: email-api\r\n"
        f"Authorization: Bearer {PSK}\r\nContent-Type: message/rfc822\r\n"
        f"X-Queue-Id: B{number}\r\nX-Envelope-Sender: a@sender.test\r\n"
        f"X-Envelope-Recipient: info@example.com\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


async def _connection(port: int, numbers: Iterator[int], seconds: list[float]) -> None:
    """Request after request over one connection, without a client library to measure."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        started = time.perf_counter()
        writer.write(_request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
    writer.close()


async def load(port: int, connections: int, numbers: range) -> tuple[float, list[float]]:
    """Requests per second, and the time of each, sorted."""
    seconds: list[float] = []
    shared = iter(numbers)
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, shared, seconds) for _ in range(connections)))
    return len(numbers) / (time.perf_counter() - started), sorted(seconds)


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="for each number of connections")
    parser.add_argument("--messages", type=int, default=0, help="for the memory, at 16 connections")
    options = parser.parse_args()
    with running() as api:
        first = 0

        def numbers(count: int) -> range:
            nonlocal first
            first += count
            return range(first - count, first)

        asyncio.run(load(api.port, 16, numbers(500)))
        print("| connections | requests/s | p50 ms | p99 ms |\n|---|---|---|---|")
        for connections in CONNECTIONS:
            rate, seconds = asyncio.run(load(api.port, connections, numbers(options.requests)))
            p50, p99 = (seconds[int(len(seconds) * part)] * 1000 for part in (0.5, 0.99))
            print(f"| {connections} | {rate:.0f} | {p50:.1f} | {p99:.1f} |", flush=True)
        for _ in range(options.messages // 10_000):
            asyncio.run(load(api.port, 16, numbers(10_000)))
            print(f"after {first} messages: {_memory_mb(api.pid):.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
