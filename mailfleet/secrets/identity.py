"""age identities (private keys) and recipients (public keys), as the `age` tool's files hold them.

Formats: https://github.com/C2SP/C2SP/blob/main/age.md; files as in age(1) and age-keygen(1).
"""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # ships no annotations
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from mailfleet.secrets.errors import SecretsError

DEFAULT = Path("~/.config/mailfleet/identity.txt")
VARIABLE = "MAILFLEET_IDENTITY"

_ENCRYPTED = ("age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE")


@dataclass(frozen=True)
class Identity:
    """The private keys of one identity file and their public counterparts."""

    path: Path
    recipients: tuple[str, ...]
    """`age1...` or `ssh-... AAAA...`, one per key."""
    keys: tuple[Any, ...] = field(repr=False)


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """`$MAILFLEET_IDENTITY`, else `~/.config/mailfleet/identity.txt`."""
    return Path(environ.get(VARIABLE) or DEFAULT).expanduser()


def load(path: Path) -> Identity:
    """Reads an identity file: lines `AGE-SECRET-KEY-1...` and comments, or one SSH private key
    (ed25519 or RSA) without a passphrase.

    Raises SecretsError when it is missing, unreadable, open to others or holds no such key.
    """
    text = _read_private(path)
    if text.startswith(_ENCRYPTED):
        raise SecretsError(
            f"identity {path} is protected by a passphrase: decrypt it with `age -d` to a file "
            f"with mode 600 and point {VARIABLE} to that"
        )
    if text.startswith("-----BEGIN"):
        return _ssh_identity(path, text)
    return _age_identity(path, text)


def create(path: Path) -> Identity:
    """Makes a new identity file, as age-keygen does, readable by the owner only.

    Raises SecretsError when the file exists already or cannot be written.
    """
    key = pyrage.x25519.Identity.generate()
    public = str(key.to_public())
    text = f"# created: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n# public key: {public}\n{key}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise SecretsError(f"identity {path} exists already, it was left as it is") from None
    except OSError as error:
        raise SecretsError(f"cannot create identity {path}: {error.strerror}") from None
    return Identity(path, (public,), (key,))


def read_recipients(path: Path) -> list[str]:
    """The public keys in a recipients file, as `age -R` takes it: one per line, X25519 (`age1...`)
    or SSH (`ssh-ed25519 ...`, `ssh-rsa ...`), empty lines and `#` comments; none if there is no
    such file. Raises SecretsError with the number of the line that is none of these."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise SecretsError(f"cannot read {path}: it must be a text file you may read") from None
    recipients = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith("#"):
            _recipient(line, f"{path}:{number}")
            recipients.append(line)
    return recipients


def encryption_keys(recipients: Iterable[str]) -> list[Any]:
    """pyrage's recipients for public keys, as `read_recipients` returns them."""
    return [_recipient(text, "recipient") for text in recipients]


def distinct(recipients: Iterable[str]) -> list[str]:
    """Each public key once; the comment of an SSH key makes no difference."""
    return list({tuple(text.split()[:2]): text for text in recipients}.values())


def _recipient(text: str, where: str) -> Any:
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError:
        pass
    # The line is not repeated: by mistake it may be a private key.
    raise SecretsError(
        f"{where}: not a public key: use age1... (X25519), ssh-ed25519 ... or ssh-rsa ..."
    )


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SecretsError(
                    f"identity {path} is open to other users (mode {mode:03o}): "
                    f"run `chmod 600 {path}`"
                )
            return file.read()
    except FileNotFoundError:
        raise SecretsError(
            f"no age identity at {path}: restore it from your backup or point {VARIABLE} to it; "
            "for a new fleet `mailfleet secrets init INVENTORY` makes one"
        ) from None
    except OSError as error:
        raise SecretsError(f"cannot read identity {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        pass
    raise SecretsError(f"identity {path} is not a text file: expected age-keygen's output")


def _age_identity(path: Path, text: str) -> Identity:
    keys = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line and not line.startswith("#"):
            keys.append(_age_key(line, f"identity {path}: line {number}"))
    if not keys:
        raise SecretsError(f"identity {path} holds no key: expected a line AGE-SECRET-KEY-1...")
    return Identity(path, tuple(str(key.to_public()) for key in keys), tuple(keys))


def _age_key(line: str, where: str) -> Any:
    try:
        return pyrage.x25519.Identity.from_str(line)
    except pyrage.IdentityError:
        pass
    raise SecretsError(f"{where} is not an age private key: expected AGE-SECRET-KEY-1...")


def _ssh_identity(path: Path, text: str) -> Identity:
    data = text.encode()
    load_private = load_ssh_private_key if "OPENSSH" in text[:40] else load_pem_private_key
    try:
        key = pyrage.ssh.Identity.from_buffer(data)
        public = load_private(data, None).public_key()
        recipient = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
        return Identity(path, (recipient,), (key,))
    except (pyrage.IdentityError, ValueError, TypeError, UnsupportedAlgorithm):
        pass
    raise SecretsError(
        f"identity {path}: an SSH key must be ed25519 or RSA and have no passphrase; "
        "or use an age identity"
    )
