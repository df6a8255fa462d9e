"""A mailbox over IMAP (RFC 3501), where probes arrive."""

import email
import email.policy
import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage

from mailfleet.secrets import Secret

MARK = "X-Mailfleet-Probe"
"""Header that holds a probe's mark; the mark is in the subject too, which no API drops."""

_SECONDS = 20
_FOLDERS = ("INBOX", "Junk", "Spam", "[Gmail]/Spam")


@dataclass(frozen=True)
class Found:
    """A probe that arrived, and the folder where it lies."""

    message: EmailMessage
    folder: str


@dataclass(frozen=True)
class Mailbox:
    """Raises OSError and imaplib.IMAP4.error from every method."""

    host: str
    port: int
    user: str
    password: Secret
    ca_file: str | None = None

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4_SSL]:
        context = ssl.create_default_context()
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        with imaplib.IMAP4_SSL(
            self.host, self.port, ssl_context=context, timeout=_SECONDS
        ) as session:
            session.login(self.user, self.password.reveal())
            yield session

    def take(self, session: imaplib.IMAP4_SSL, marks: list[str]) -> dict[str, Found]:
        """Mark -> its message, of those that have arrived. Takes them out of the mailbox, which
        would fill up otherwise."""
        found: dict[str, Found] = {}
        for folder in _FOLDERS:
            if session.select(f'"{folder}"')[0] != "OK":
                continue
            for mark in marks:
                for number in self._search(session, mark):
                    data = session.fetch(number, "(RFC822)")[1]
                    if data and isinstance(data[0], tuple):
                        message = email.message_from_bytes(data[0][1], policy=email.policy.default)
                        found.setdefault(mark, Found(message, folder))
                        session.store(number, "+FLAGS", r"\Deleted")
            session.expunge()
        return found

    @staticmethod
    def _search(session: imaplib.IMAP4_SSL, mark: str) -> list[str]:
        answer = session.search(None, "SUBJECT", f'"{mark}"')[1]
        return answer[0].decode().split() if answer and answer[0] else []
