"""The lab's secrets, read as an operator reads them: with the ordinary `age`."""

import subprocess
from typing import Any

import yaml

from lab.state import read_lab


def secret_values() -> dict[str, str]:
    """Name -> value of every secret in the lab's store."""
    directory = read_lab().directory
    arguments = ["age", "--decrypt", "--identity", str(directory / "identity.txt")]
    done = subprocess.run(
        [*arguments, directory / "secrets.age"], capture_output=True, text=True, check=True
    )
    return dict(_flat(yaml.safe_load(done.stdout)))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        inner = f"{prefix}{name}"
        found += _flat(value, f"{inner}/") if isinstance(value, dict) else [(inner, str(value))]
    return found
