"""`init`: everything that can be made is made once, and never again."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mailfleet.secrets import identity
from mailfleet.secrets.age import AgeStore
from mailfleet.secrets.errors import MissingSecretError, SecretsError
from mailfleet.secrets.reference import SecretRef
from mailfleet.secrets.store import SecretStore
from mailfleet.secrets.uses import SecretUse, StoreSettings


@dataclass(frozen=True)
class Initialised:
    """What `initialise` did and what is left to the operator."""

    new_identity: Path | None
    new_file: Path | None
    made: list[str]
    to_set: list[str]


def initialise(settings: StoreSettings, uses: Iterable[SecretUse]) -> Initialised:
    """Makes the identity, the file and every missing generated secret; leaves what there is.

    Raises SecretsError when the store cannot be used, in particular when there is a file but no
    identity: a new one could not open it.
    """
    refs = distinct_refs(uses)
    store = settings.open()
    if not isinstance(store, AgeStore):
        return Initialised(None, None, [], missing(store, refs))
    new_identity = _ensure_identity(store)
    new_file = store.path if store.create() else None
    made = store.add_missing({ref.name: ref.generate for ref in refs.values() if ref.generate})
    return Initialised(new_identity, new_file, made, missing(store, refs))


def distinct_refs(uses: Iterable[SecretUse]) -> dict[str, SecretRef]:
    """Each secret once, by name, with its generator if any of its uses has one."""
    refs: dict[str, SecretRef] = {}
    for use in uses:
        known = refs.get(use.ref.name)
        if known is None or known.generate is None:
            refs[use.ref.name] = use.ref
    return dict(sorted(refs.items()))


def is_set(store: SecretStore, name: str) -> bool:
    """Whether the store has a value; other faults of the store are raised."""
    try:
        store.get(name)
    except MissingSecretError:
        return False
    return True


def missing(store: SecretStore, names: Iterable[str]) -> list[str]:
    """Those of `names` that have no value, with any backend: the environment cannot list names."""
    return [name for name in names if not is_set(store, name)]


def _ensure_identity(store: AgeStore) -> Path | None:
    if store.identity_path.exists():
        return None
    if store.path.exists():
        raise SecretsError(
            f"{store.path} exists, but there is no identity {store.identity_path} to open it: "
            f"restore that from your backup or point {identity.VARIABLE} to it"
        )
    identity.create(store.identity_path)
    return store.identity_path
