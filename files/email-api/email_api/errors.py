"""Why a message is not accepted."""


class NotAcceptedError(Exception):
    """The message is not accepted: the sender keeps it in its queue or bounces it.

    `reason` is one word, for replies, logs and metrics; `detail` is for the log only.
    """

    reason: str

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoRecipientError(NotAcceptedError):
    """Neither the envelope nor the header names a recipient."""

    reason = "no_recipient"


class UnknownAliasError(NotAcceptedError):
    """No enabled alias matches the recipient."""

    reason = "unknown_alias"


class InvalidBounceAddressError(NotAcceptedError):
    """An SRS address of our domain that we never issued, or that has expired."""

    reason = "not_issued"


class MailLoopError(NotAcceptedError):
    """The message has already passed through this alias, or through too many servers."""

    reason = "loop"


class UnavailableError(NotAcceptedError):
    """A temporary failure, worth a retry. Reasons: database, redis, relay, relay_refused,
    in_flight, error."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
