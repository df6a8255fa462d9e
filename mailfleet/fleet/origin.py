"""Where a setting was written: file and line, or that it is the default."""

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinfra.api.inventory import Inventory

DEFAULT = "default"


def _assignments(file: Path) -> dict[str, int]:
    """Line of the last top-level assignment of each name in a Python file."""
    lines: dict[str, int] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        lines |= {target.id: node.lineno for target in targets if isinstance(target, ast.Name)}
    return lines


@dataclass(frozen=True)
class Sources:
    """The files an inventory draws on. pyinfra reads group_data from the working directory, then
    from beside the inventory file; later files win."""

    inventory: str
    directory: Path = field(default_factory=Path.cwd)
    _read: dict[Path, dict[str, int]] = field(default_factory=dict, init=False, compare=False)

    def _group_files(self, group: str) -> list[Path]:
        folders = {self.directory: None, (self.directory / self.inventory).resolve().parent: None}
        files = [folder / "group_data" / f"{group}.py" for folder in folders]
        return [file for file in files if file.is_file()]

    def _shown(self, file: Path) -> str:
        return (
            str(file.relative_to(self.directory))
            if file.is_relative_to(self.directory)
            else str(file)
        )

    def _in_group(self, group: str, key: str) -> str:
        for file in reversed(self._group_files(group)):
            if file not in self._read:
                self._read[file] = _assignments(file)
            if line := self._read[file].get(key):
                return f"{self._shown(file)}:{line}"
        return f"{self.inventory}, group {group}"

    def host_values(self, inventory: Inventory, name: str) -> dict[str, tuple[Any, str]]:
        """Every value a host gets, with where it comes from. Precedence is pyinfra's: `--data`,
        then the host, then its groups (the last one wins), then `all`."""
        host = inventory.get_host(name)
        values: dict[str, tuple[Any, str]] = {
            key: (value, self._in_group("all", key)) for key, value in inventory.get_data().items()
        }
        for group in host.groups:
            for key, value in inventory.get_group_data(group).items():
                values[key] = (value, self._in_group(group, key))
        for key, value in inventory.get_host_data(name).items():
            values[key] = (value, f"{self.inventory}, host {name}")
        for key, value in (inventory.get_override_data() or {}).items():
            values[key] = (value, "--data")
        return values
