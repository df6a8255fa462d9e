"""Every change to the behaviour of pyinfra 3.10, gevent and paramiko, each with its reason and what
it waits for upstream. tests/unit/test_pyinfra_compat.py has a test per change, which fails without
it.

Imports are inside functions: commands that contact no host load nothing of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

CONNECTOR_METHODS = ("run_shell_command", "put_file", "get_file")
"""Each call is one SSH round trip or more."""


def patch_standard_library() -> None:
    """pyinfra connects to several hosts at once by gevent, which must patch `socket`, `ssl` and
    others before any other module takes parts of them. pyinfra's command line does so itself."""
    from gevent import monkey

    monkey.patch_all()


def print_no_traceback_of(error: type[BaseException]) -> None:
    """gevent prints a traceback of an error that ends a greenlet, also where the error is then
    raised by `get`, as pyinfra does within an operation. Waits for: pyinfra to declare its
    errors."""
    from gevent.hub import Hub

    Hub.NOT_ERROR = (*Hub.NOT_ERROR, error)


def silence_paramiko() -> None:
    """paramiko logs tracebacks of failed logins. Without a handler Python prints them on standard
    error (logging.lastResort). Waits for: a handler in pyinfra's own logging set-up."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())


def send_at_once(host: Host) -> None:
    """paramiko leaves Nagle's algorithm on: each command then waits some 40 ms for a delayed
    acknowledgement (RFC 1122 section 4.2.3.2). Connections without a socket (`@local`,
    ProxyCommand) have nothing to set. Waits for: TCP_NODELAY in pyinfra's SSH connector."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    connection = getattr(transport, "sock", None)
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def forget_compiled_files() -> None:
    """pyinfra compiles each inventory and group_data file once a process, whatever changes in it.
    The exporter loads them again and again. Waits for: a cache that looks at modification times."""
    from pyinfra_cli.util import PYTHON_CODES

    PYTHON_CODES.clear()


def after_init(state: State, action: Callable[[dict[str, Any]], None]) -> None:
    """Call `action` with the keyword arguments of `state.init` once that has run: a state takes
    callbacks only then, and pyinfra offers no hook between reading the inventory and connecting.
    Waits for: such a hook for config.py."""
    initialise = state.init

    def initialise_then_act(*args: Any, **kwargs: Any) -> None:
        initialise(*args, **kwargs)
        action(kwargs)

    state.init = initialise_then_act  # type: ignore[method-assign]


def replace_inventory_errors(replace: Callable[[BaseException], Exception]) -> None:
    """pyinfra shows a traceback of a mistake in inventory or group_data, and with it lines of these
    files, which may hold a password. Waits for: one line with file and line number."""
    import pyinfra_cli.cli

    make_inventory = pyinfra_cli.cli.make_inventory

    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return make_inventory(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise replace(error) from None

    pyinfra_cli.cli.make_inventory = checked


def wrap_connector(
    host: Host, count: Callable[[], None], no_terminal: Callable[[], Exception]
) -> None:
    """Count the round trips of a host, and raise `no_terminal` where pyinfra asks for sudo's
    password without a terminal: it ends in EOFError. Waits for: a callback per command."""
    for name in CONNECTOR_METHODS:
        method = getattr(host.connector, name)

        def counted(*args: Any, _method: Any = method, **kwargs: Any) -> Any:
            count()
            try:
                return _method(*args, **kwargs)
            except EOFError:
                raise no_terminal() from None

        setattr(host.connector, name, counted)
