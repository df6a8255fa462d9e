"""Why a handoff was not accepted."""


class NotAccepted(Exception):
    """The sender keeps the message. `reason` is one word for metrics and answers."""

    reason = "refused"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoRecipient(NotAccepted):
    reason = "no_recipient"


class UnknownAlias(NotAccepted):
    reason = "unknown_alias"


class NotIssued(NotAccepted):
    """It looks like a rewritten sender of ours, but we never made it, or too long ago."""

    reason = "not_issued"


class Loop(NotAccepted):
    """The message has been here before."""

    reason = "loop"


class Unavailable(NotAccepted):
    """Something that a later attempt may find in order: database, redis, relay, in_flight."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
