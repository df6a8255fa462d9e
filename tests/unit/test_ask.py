"""Hosts that cannot be asked, and why."""

import socket
from pathlib import Path

import pytest

from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.load import load_inventory
from mailfleet.health.fleet import ask_fleet
from mailfleet.transport import LOGIN_REMEDY, HostQuery, Unreachable
from tests.unit.conftest import INVENTORY, Write

_AWAY = """
_host[1].update(ssh_hostname="127.0.0.1", ssh_port={port}, ssh_known_hosts_file="{directory}/known")
"""


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "cannot log in: Could not connect ("),
        ('_host[1]["ssh_key"] = "{directory}/id"\n', "cannot log in: No such private key file: "),
    ],
)
def test_why_a_host_cannot_be_asked_is_told(
    fleet_from: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    key: str,
    why: str,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = {"port": closed.getsockname()[1], "directory": tmp_path}
        fleet_from(inventory=INVENTORY + (_AWAY + key).format(**where))
        loaded = load_inventory("inventories/test.py")
        answer = HostQuery(loaded, ["postal1"], lambda host: "asked").run()["postal1"]
    assert isinstance(answer, Unreachable)
    assert answer.finding.startswith(why)
    assert answer.remedy == LOGIN_REMEDY
    assert "Traceback" not in "".join(capsys.readouterr())


def test_health_of_nobody_is_no_health(fleet_from: Write) -> None:
    fleet_from()
    with pytest.raises(SettingsError, match="no host has the role email_api"):
        ask_fleet([], "inventories/test.py", roles=["email_api"])
