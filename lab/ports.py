"""Ports on 127.0.0.1 under which the hosts are published: chosen once, equal after a reboot."""

import socket
from collections.abc import Callable, Iterable

from lab.names import lab_id

# Below the range from which the kernel takes ports for outgoing connections.
FIRST, LAST = 20000, 32000


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class PortChooser:
    """Hands out free ports, beginning where no other clone of the work tree begins."""

    def __init__(self, reserved: Iterable[int], free: Callable[[int], bool] = is_free) -> None:
        self._reserved = set(reserved)
        self._free = free
        self._next = FIRST + int(lab_id(), 16) % (LAST - FIRST)

    def choose(self, preferred: int | None = None) -> int:
        if preferred and preferred not in self._reserved and self._free(preferred):
            self._reserved.add(preferred)
            return preferred
        for _ in range(LAST - FIRST):
            port = self._next
            self._next = FIRST + (port + 1 - FIRST) % (LAST - FIRST)
            if port not in self._reserved and self._free(port):
                self._reserved.add(port)
                return port
        raise OSError(f"no free port between {FIRST} and {LAST} on 127.0.0.1")
