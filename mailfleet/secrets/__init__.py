"""Secrets: references in group_data, values from a backend, masked wherever they are shown."""

from mailfleet.secrets import generate
from mailfleet.secrets.errors import (
    MissingSecretError,
    MissingStoreError,
    ReadOnlyStoreError,
    SecretsError,
)
from mailfleet.secrets.initial import missing
from mailfleet.secrets.reference import Generator, SecretRef, secret
from mailfleet.secrets.store import SecretStore, open_store
from mailfleet.secrets.uses import SecretUse, StoreSettings
from mailfleet.secrets.value import MASK, Secret

__all__ = [
    "MASK",
    "Generator",
    "MissingSecretError",
    "MissingStoreError",
    "ReadOnlyStoreError",
    "Secret",
    "SecretRef",
    "SecretStore",
    "SecretUse",
    "SecretsError",
    "StoreSettings",
    "generate",
    "missing",
    "open_store",
    "secret",
]
