"""Changes to pyinfra, gevent and paramiko: each test fails without the change that it is about."""

import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from mailfleet import pyinfra_compat
from mailfleet.fleet.load import load_inventory


def test_standard_library_is_patched_before_other_modules_load() -> None:
    program = (
        "import mailfleet.cli\n"
        "from gevent import monkey\n"
        "assert monkey.is_module_patched('socket') and monkey.is_module_patched('ssl')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_aborted_run_prints_no_traceback() -> None:
    program = (
        "import gevent\n"
        "from mailfleet.converge.session import RunAbortedError\n"
        "def abort():\n"
        "    raise RunAbortedError('no host is left')\n"
        "try:\n"
        "    gevent.spawn(abort).get()\n"
        "except RunAbortedError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("no host is left\n", "")


def test_failed_login_prints_nothing_of_paramiko() -> None:
    program = (
        "import logging\n"
        "from mailfleet.pyinfra_compat import silence_paramiko\n"
        "silence_paramiko()\n"
        "logging.getLogger('paramiko.transport').error('Traceback of a login')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_are_sent_at_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as connection,
    ):
        transport = SimpleNamespace(sock=connection)
        client = SimpleNamespace(get_transport=lambda: transport)
        host: Any = SimpleNamespace(connector=SimpleNamespace(client=client))
        pyinfra_compat.send_at_once(host)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_connection_without_a_socket_is_left_alone() -> None:
    host: Any = SimpleNamespace(connector=SimpleNamespace())
    pyinfra_compat.send_at_once(host)


def test_edited_inventory_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "group_data").mkdir()
    file = tmp_path / "inventories/test.py"
    file.parent.mkdir()
    for name in ("first", "second"):
        file.write_text(f'server = ["{name}"]\n')
        assert [host.name for host in load_inventory("inventories/test.py")] == [name]


def test_action_runs_when_the_state_is_initialised() -> None:
    state = State()
    options: list[dict[str, Any]] = []
    pyinfra_compat.after_init(
        state, lambda given: options.append({**given, "hosts": len(state.inventory)})
    )
    state.init(Inventory((["@local"], {})), Config(), initial_limit=[])
    assert options == [{"initial_limit": [], "hosts": 1}]


def test_inventory_error_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyinfra_cli.cli

    def fail(*_: Any, **__: Any) -> None:
        raise NameError("undefined")

    monkeypatch.setattr(pyinfra_cli.cli, "make_inventory", fail)
    pyinfra_compat.replace_inventory_errors(lambda error: ValueError(f"replaced {error}"))
    with pytest.raises(ValueError, match="replaced undefined"):
        pyinfra_cli.cli.make_inventory("inventory.py")


def test_round_trips_are_counted_and_sudo_without_a_terminal_is_one_error() -> None:
    def ask_for_a_password() -> None:
        raise EOFError

    connector = SimpleNamespace(
        run_shell_command=lambda: "done", put_file=ask_for_a_password, get_file=lambda: "file"
    )
    host: Any = SimpleNamespace(connector=connector)
    calls: list[None] = []
    pyinfra_compat.wrap_connector(
        host, lambda: calls.append(None), lambda: ValueError("no terminal")
    )
    assert (connector.run_shell_command(), connector.get_file()) == ("done", "file")
    with pytest.raises(ValueError, match="no terminal"):
        connector.put_file()
    assert len(calls) == 3
