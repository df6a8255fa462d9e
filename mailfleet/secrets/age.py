"""The default backend: one age-encrypted YAML file in the operator's repository.

`age -d -i IDENTITY FILE` opens it; a file made by `age -e` from a flat YAML mapping, binary or
armored, is accepted. It is always written armored, which git and mail carry unharmed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # ships no annotations

from mailfleet.secrets import document, identity
from mailfleet.secrets.errors import MissingSecretError, MissingStoreError, SecretsError
from mailfleet.secrets.files import locked, write_atomically
from mailfleet.secrets.reference import check_name
from mailfleet.secrets.value import Secret

_Stamp = tuple[int, int, int]
# Shared by all stores of the process: rendering asks for many secrets from many places.
_decrypted: dict[tuple[Path, Path], tuple[_Stamp, dict[str, Secret]]] = {}


class AgeStore:
    """Secrets in the file `path`, opened with the private key in `identity_path`.

    It is encrypted for the identity's own public key and for those in `<path>.recipients`. Writers
    of several processes wait for each other and keep each other's values. Every method raises
    SecretsError when the file or the identity cannot be used, MissingStoreError without a file.
    """

    def __init__(self, path: Path, identity_path: Path) -> None:
        # Resolved, so that replacing the file does not replace a symbolic link to it.
        self.path = path.expanduser().resolve()
        self.identity_path = identity_path.expanduser().absolute()
        self.recipients_path = self.path.with_name(self.path.name + ".recipients")

    def get(self, name: str) -> Secret:
        """Raises MissingSecretError when the file does not hold it."""
        try:
            return self._read()[name]
        except KeyError:
            pass
        raise MissingSecretError(
            name,
            f"run `mailfleet secrets set INVENTORY {name}`, or `mailfleet secrets init INVENTORY` "
            "if mailfleet generates it",
        )

    def names(self) -> list[str]:
        return sorted(self._read())

    def set(self, name: str, value: Secret) -> None:
        """Raises ValueError when the name is not one or the value is empty."""
        self.update({name: value})

    def delete(self, name: str) -> None:
        """Raises MissingSecretError when the file does not hold it."""
        self.get(name)
        self.update({}, remove=[name])

    def update(self, values: Mapping[str, Secret], remove: Iterable[str] = ()) -> None:
        """Sets and removes several at once; the others stay, whoever wrote them meanwhile."""
        for name, value in values.items():
            _check(name, value)
        with self._changing() as current:
            current.update(values)
            for name in remove:
                current.pop(name, None)

    def add_missing(self, generators: Mapping[str, Callable[[], str]]) -> list[str]:
        """Generates those that are not in the file yet and returns their names; never replaces
        a value, also not one that another process adds at the same time."""
        with self._changing() as current:
            missing = sorted(set(generators) - set(current))
            for name in missing:
                value = Secret(generators[name]())
                _check(name, value)
                current[name] = value
        return missing

    def create(self) -> bool:
        """Makes an empty file and its recipients file, with the identity's own public key in it,
        where they do not exist yet; says whether the file was made."""
        own = identity.load(self.identity_path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.parent):
                if self.path.exists():
                    return False
                if not self.recipients_path.exists():
                    write_atomically(self.recipients_path, _recipients_text(own).encode())
                self._write({})
        except OSError as error:
            raise self._unwritable(error) from None
        return True

    def reencrypt(self) -> list[str]:
        """Encrypts the file anew, for the recipients as they are listed now; returns those."""
        with self._changing(always=True):
            return self._recipients()

    def _read(self) -> dict[str, Secret]:
        stamp = self._stamp()
        key = (self.path, self.identity_path)
        known = _decrypted.get(key)
        if known is None or known[0] != stamp:
            known = (stamp, self._decrypt())
            _decrypted[key] = known
        return known[1]

    def _stamp(self) -> _Stamp:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise MissingStoreError(
                f"no secrets file at {self.path}: run `mailfleet secrets init INVENTORY`"
            ) from None
        except OSError as error:
            raise self._unreadable(error) from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _decrypt(self) -> dict[str, Secret]:
        own = identity.load(self.identity_path)
        try:
            sealed = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None
        try:
            text = pyrage.decrypt(sealed, list(own.keys)).decode("utf-8")
        except pyrage.DecryptError as error:
            raise self._undecryptable(own, str(error)) from None
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise SecretsError(f"{self.path}: the decrypted content is not UTF-8 text")
        return document.parse(text, str(self.path))

    def _undecryptable(self, own: identity.Identity, reason: str) -> SecretsError:
        if "No matching keys" in reason:
            return SecretsError(
                f"{self.path} is not encrypted for identity {own.path} "
                f"({', '.join(own.recipients)}): point {identity.VARIABLE} to the right one, or "
                f"let someone who can open it add this public key to {self.recipients_path.name} "
                "and run `mailfleet secrets reencrypt INVENTORY`"
            )
        return SecretsError(
            f"{self.path} is damaged or no age file ({reason}): restore it from version control"
        )

    @contextmanager
    def _changing(self, always: bool = False) -> Iterator[dict[str, Secret]]:
        """The values to change in place; what is there in the end is written, if it differs."""
        self._stamp()
        try:
            with locked(self.path.parent):
                before = self._read()
                current = dict(before)
                yield current
                if always or current != before:
                    self._write(current)
        except OSError as error:
            raise self._unwritable(error) from None

    def _write(self, values: dict[str, Secret]) -> None:
        plain = document.dump(values).encode("utf-8")
        keys = identity.encryption_keys(self._recipients())
        write_atomically(self.path, pyrage.encrypt(plain, keys, armored=True))

    def _recipients(self) -> list[str]:
        own = identity.load(self.identity_path)
        listed = identity.read_recipients(self.recipients_path)
        return identity.distinct([*own.recipients, *listed])

    def _unreadable(self, error: OSError) -> SecretsError:
        return SecretsError(f"cannot read {self.path}: {error.strerror}")

    def _unwritable(self, error: OSError) -> SecretsError:
        return SecretsError(f"cannot write {self.path}: {error.strerror}; it is as it was before")


def _check(name: str, value: Secret) -> None:
    check_name(name)
    if not value.reveal():
        raise ValueError(f"the value of {name} is empty")


def _recipients_text(own: identity.Identity) -> str:
    return (
        "# Who can open the secrets file beside this one: one age or SSH public key per line.\n"
        "# After a change run `mailfleet secrets reencrypt INVENTORY`.\n"
        + "".join(f"{recipient}\n" for recipient in own.recipients)
    )
