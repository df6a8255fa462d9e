"""Accounts as docker-mailserver reads them: an address and the hash of its password."""

import base64
import hashlib
import hmac

import bcrypt

from mailfleet.secrets import Secret

_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_COST = 10


def account_line(address: str, password: Secret, key: Secret) -> str:
    """One line of postfix-accounts.cf. The scheme is Dovecot's BLF-CRYPT, bcrypt in its 2y form.

    The salt is derived from `key`, address and password: the same for the same three, so that a
    second deploy writes the same file, and another one for everybody else."""
    message = f"{address}\0{password.reveal()}".encode()
    salt = hmac.new(key.reveal().encode(), message, hashlib.sha256).digest()[:16]
    encoded = base64.b64encode(salt).rstrip(b"=").translate(bytes.maketrans(_STANDARD, _BCRYPT))
    stored = bcrypt.hashpw(password.reveal().encode(), b"$2y$%02d$%s" % (_COST, encoded))
    return f"{address}|{{BLF-CRYPT}}{stored.decode()}\n"
