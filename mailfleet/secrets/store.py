"""The one interface to secrets and the choice of its backend."""

import os
from pathlib import Path
from typing import Protocol

from mailfleet.secrets.age import AgeStore
from mailfleet.secrets.environment import EnvironmentStore
from mailfleet.secrets.errors import SecretsError
from mailfleet.secrets.identity import default_path
from mailfleet.secrets.value import Secret


class SecretStore(Protocol):
    """Where values are. Every method raises SecretsError when the backend cannot be used."""

    def get(self, name: str) -> Secret:
        """Raises MissingSecretError, which names the secret and how to set it."""

    def names(self) -> list[str]:
        """Names that have a value, sorted."""

    def set(self, name: str, value: Secret) -> None:
        """Raises ReadOnlyStoreError where values cannot be changed from here."""

    def delete(self, name: str) -> None:
        """Raises MissingSecretError when there is no value, ReadOnlyStoreError like `set`."""


def open_store(backend: str, file: Path, identity: Path | None = None) -> SecretStore:
    """The store that the settings `secrets_backend`, `secrets_file` and `secrets_identity` ask for.

    Opens nothing yet; without `identity` see `mailfleet.secrets.identity.default_path`. Raises
    SecretsError when there is no such backend.
    """
    if backend == "age":
        return AgeStore(file, identity or default_path())
    if backend == "environment":
        return EnvironmentStore(os.environ)
    raise SecretsError(f'secrets_backend = "{backend}" does not exist: use "age" or "environment"')
