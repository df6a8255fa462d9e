"""Secrets from environment variables, for CI and for managers that inject them."""

import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from mailfleet.secrets.errors import MissingSecretError, ReadOnlyStoreError, SecretsError
from mailfleet.secrets.reference import check_name
from mailfleet.secrets.value import Secret

PREFIX = "MAILFLEET_SECRET_"


def variable(name: str) -> str:
    """The variable of a secret: `postal/rails_secret_key` is in
    `MAILFLEET_SECRET_POSTAL_RAILS_SECRET_KEY`."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", check_name(name).upper())


class EnvironmentStore:
    """Reads each secret from its variable; an empty variable counts as not set.

    Different names can map to one variable (`a/b_c` and `a_b/c`); the second of them raises
    SecretsError, as one value would silently serve both.
    """

    def __init__(self, environ: Mapping[str, str], expected: Iterable[str] = ()) -> None:
        """`expected`: names of the fleet's secrets, so that collisions show at once and
        `names()` can tell which of them are set."""
        self._environ = environ
        self._owners: dict[str, str] = {}
        for name in expected:
            self._variable(name)

    def get(self, name: str) -> Secret:
        """Raises MissingSecretError when the variable is not set, SecretsError on a collision."""
        key = self._variable(name)
        value = self._environ.get(key, "")
        if not value:
            raise MissingSecretError(name, f"set the environment variable {key}")
        return Secret(value)

    def names(self) -> list[str]:
        """The names expected or asked for so far that are set: a variable does not tell the
        name of its secret."""
        return sorted(name for key, name in self._owners.items() if self._environ.get(key))

    def set(self, name: str, value: Secret) -> NoReturn:
        """Raises ReadOnlyStoreError: this process cannot change the environment it came from."""
        self._refuse(name)

    def delete(self, name: str) -> NoReturn:
        """Raises ReadOnlyStoreError."""
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise ReadOnlyStoreError(
            f'secret {name} comes from the environment (secrets_backend = "environment"): '
            f"change {self._variable(name)} where it is set"
        )

    def _variable(self, name: str) -> str:
        key = variable(name)
        owner = self._owners.setdefault(key, name)
        if owner != name:
            raise SecretsError(
                f"secrets {owner} and {name} would share the environment variable {key}: "
                "rename one of them"
            )
        return key
