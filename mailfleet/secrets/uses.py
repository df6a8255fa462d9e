"""What the secrets commands need to know of a fleet."""

from dataclasses import dataclass
from pathlib import Path

from mailfleet.secrets.reference import SecretRef
from mailfleet.secrets.store import SecretStore, open_store


@dataclass(frozen=True)
class StoreSettings:
    """Where the fleet keeps its secrets: the arguments of `open_store`."""

    backend: str
    file: Path
    identity: Path | None = None

    def open(self) -> SecretStore:
        return open_store(self.backend, self.file, self.identity)


@dataclass(frozen=True)
class SecretUse:
    """One setting that refers to a secret."""

    ref: SecretRef
    where: str
    """Host and key as the operator knows them, such as `postal1 postal_signing_key`."""
