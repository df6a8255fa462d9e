"""What can go wrong with secrets, each as one line that an operator can act on.

No message here, nor any built from these classes, may contain a secret's value.
"""


class SecretsError(Exception):
    """Base of all errors of this package; the text names the file or secret and the remedy."""


class MissingSecretError(SecretsError):
    """A secret was asked for that the backend does not hold."""

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        super().__init__(f"secret {name} is not set: {remedy}")


class MissingStoreError(SecretsError):
    """The encrypted file does not exist yet."""


class InvalidDocumentError(SecretsError):
    """The decrypted text is not a flat YAML mapping of names to texts."""


class ReadOnlyStoreError(SecretsError):
    """The backend's values are kept by someone else and cannot be changed from here."""
