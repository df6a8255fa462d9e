"""The log: one JSON object per line on standard output. No message bodies, no secrets."""

import json
import logging
import sys
from datetime import UTC, datetime

# Fields of a message: logger.info("...", extra={"mail": {...}}).
_FIELDS = "mail"


class _JsonFormatter(logging.Formatter):
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
    """Send all log records of the process through the JSON formatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # These log every connection and every command.
    for name in ("mail.log", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mail.debug").setLevel(logging.ERROR)
