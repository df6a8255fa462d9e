"""Users of a MariaDB server: what it keeps of a password, to compare with."""

import hashlib

from mailfleet.secrets import Secret

ROOT_BY_SOCKET = b"ALTER USER root@localhost IDENTIFIED VIA unix_socket;\n"
"""Run by the image when it makes the data: from then on root needs no password, only to be root in
the container."""


def native_password_hash(password: Secret) -> str:
    """As mysql_native_password stores it: `*` and the hex SHA-1 of the SHA-1."""
    inner = hashlib.sha1(password.reveal().encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def stored_password(user: str) -> str:
    """SQL for a hash of what is stored of a user's password. Itself hashed: whoever has the stored
    one can log in once he has listened to a login (MariaDB manual, "mysql_native_password")."""
    return (
        "SELECT CONCAT('password ', SHA2(authentication_string, 256)) FROM mysql.user "
        f"WHERE user = '{user}' AND host = '%'"
    )


def told_password(stored: str) -> str:
    """The line by which a server answers `stored_password`."""
    return f"password {hashlib.sha256(stored.encode()).hexdigest()}"
