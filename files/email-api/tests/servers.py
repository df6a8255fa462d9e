"""The API and the servers it uses, as processes with files in a temporary directory."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

_START_SECONDS = 60


def free_port() -> int:
    """Returns a port outside the range of outgoing connections, so that it is still free when its
    server restarts."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def until(
    condition: Callable[[], object],
    description: str,
    timeout_seconds: float = _START_SECONDS,
    pause_seconds: float = 0.05,
) -> None:
    """Wait for a condition. Fails after the time limit, which no passing test comes near."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{description}: not within {timeout_seconds} s"
        time.sleep(pause_seconds)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """A program that can be stopped, killed, frozen and restarted."""

    def __init__(self, name: str, command: list[str], log: Path, ready: Callable[[], bool]) -> None:
        self.name = name
        self.log = log
        self.environment: dict[str, str] = {}
        self._command = command
        self._ready = ready
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        until(self._check_ready, f"{self.name} ready")

    def _check_ready(self) -> bool:
        assert self._running
        assert self._running.poll() is None, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"
        return self._ready()

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        if self._running:
            self._running.send_signal(signal_number)
            self._running.wait(_START_SECONDS)
            self._running = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def _program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin"):
            return path
    pytest.fail(f"{names[0]} is not installed: run `make test`", pytrace=False)


class MariaDB(Process):
    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self._data = directory / "mariadb"
        # --no-defaults must be the first option.
        self._options = ["--no-defaults", f"--datadir={self._data}"]
        if os.getuid() == 0:
            self._options.append("--user=root")
        socket_file = directory / "mariadb.sock"
        command = [_program("mariadbd"), *self._options, f"--port={self.port}"]
        command += ["--bind-address=127.0.0.1", f"--socket={socket_file}", "--skip-name-resolve"]
        command += [f"--pid-file={directory}/mariadb.pid", "--log-bin=binlog", "--skip-log-error"]
        command += options
        super().__init__("MariaDB", command, directory / "mariadb.log", lambda: listens(self.port))

    @property
    def url(self) -> str:
        return f"mysql+asyncmy://api:api@127.0.0.1:{self.port}/api"

    def create(self) -> None:
        install = [_program("mariadb-install-db"), *self._options]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        result = subprocess.run(install, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        self.start()
        self.query(
            "CREATE DATABASE api; CREATE USER api@'%' IDENTIFIED BY 'api'; "
            "GRANT ALL ON api.* TO api@'%';"
        )

    def query(self, sql: str) -> str:
        client = [_program("mariadb"), "--no-defaults", "--user=root", "-N", "-B"]
        client += ["--host=127.0.0.1", f"--port={self.port}"]
        result = subprocess.run(client, input=sql, capture_output=True, text=True, check=True)
        return result.stdout.strip()


class Redis(Process):
    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        command = [_program("valkey-server", "redis-server"), "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
        super().__init__("Redis", command, directory / "redis.log", lambda: listens(self.port))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(100).startswith(b"+OK")


RSA_KEY = subprocess.run(
    ["openssl", "genrsa", "-traditional", "2048"], capture_output=True, text=True, check=True
).stdout
PSK, OTHER_PSK, ADMIN_TOKEN = "first-psk-0123456789", "second-psk-0123456789", "admin-0123456789"


class Api(Process):
    """The service as in its container, but without TLS."""

    def __init__(self, directory: Path, mariadb: MariaDB, redis: Redis, relay_port: int) -> None:
        self.port, self.lmtp_port = free_port(), free_port()
        self._directory = directory
        super().__init__(
            "API",
            [sys.executable, "-m", "email_api"],
            directory / "api.log",
            lambda: listens(self.port) and listens(self.lmtp_port),
        )
        self.environment = {
            "PSK_FILE": self._file("psk", f"{PSK}\n{OTHER_PSK}\n"),
            "ADMIN_TOKEN_FILE": self._file("admin", ADMIN_TOKEN),
            "DATABASE_URL_FILE": self._file("database", mariadb.url),
            "REDIS_URL": redis.url,
            "SMTP_CLIENT_HOST": "127.0.0.1",
            "SMTP_CLIENT_PORT": str(relay_port),
            "SMTP_CLIENT_TLS": "none",
            "SMTP_CLIENT_ANSWER_SECONDS": "10",
            "FORWARD_SENDER": "srs:fwd.example.com",
            "SRS_SECRET_FILE": self._file("srs", "srs-secret-0123456789"),
            "MAX_MESSAGE_BYTES": "27000000",
            "SERVER_NAME": "api.example.com",
            "LISTEN_ADDRESS": "127.0.0.1",
            "LISTEN_PORT": str(self.port),
            "LMTP_PORT": str(self.lmtp_port),
        }

    def enable_arc(self, key: str) -> None:
        """Sign with this key from the next start on."""
        self.environment |= {
            "ARC_KEY_FILE": self._file("arc", key),
            "ARC_DOMAIN": "fwd.example.com",
            "ARC_SELECTOR": "arc",
            "ARC_AUTHSERV_ID": "mx1.example.com",
        }

    def _file(self, name: str, content: str) -> str:
        file = self._directory / name
        file.write_text(content)
        return str(file)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the service, as an operator does in the container."""
        environment: Mapping[str, str] = {**os.environ, **self.environment}
        return subprocess.run(
            [sys.executable, "-m", "email_api", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
