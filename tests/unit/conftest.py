"""A fleet on disk: inventory and group_data as an operator writes them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import load_fleet

INVENTORY = """
_host = ("postal1", {"host_fqdn": "postal1.example.com", "host_public_ipv4": "192.0.2.10"})
postal = [_host]
database = [_host]
caddy = [_host]
"""

POSTAL = """
postal_web_hostname = "postal.example.com"
caddy_acme_email = "postmaster@example.com"
"""

Write = Callable[..., Fleet]


@pytest.fixture
def fleet_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write group_data/postal.py (and other files), load the fleet."""

    def write(postal: str = "", inventory: str = INVENTORY, **groups: str) -> Fleet:
        (tmp_path / "inventories").mkdir(exist_ok=True)
        (tmp_path / "group_data").mkdir(exist_ok=True)
        (tmp_path / "inventories/test.py").write_text(inventory)
        (tmp_path / "group_data/postal.py").write_text(POSTAL + postal)
        for group, text in groups.items():
            (tmp_path / f"group_data/{group}.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return load_fleet("inventories/test.py", SCHEMA)

    return write
