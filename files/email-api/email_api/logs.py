"""One JSON object a line, on standard output. Never bodies, never secrets."""

import json
import logging
import sys
from datetime import UTC, datetime

# What this service says of a message: logger.info("...", extra={"mail": {...}}).
_FIELDS = "mail"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up() -> None:
    """Everything that is logged goes through here."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # They tell every connection and every command.
    for name in ("mail.log", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mail.debug").setLevel(logging.ERROR)
