"""How a process speaks: a line for people, or a JSON object for machines, per event."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum

_PACKAGES = ("jobs", "pipeline")


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and the event's own values.

    An event has a name and values where whoever logs it says so: `extra={"event": "progress",
    "values": {"rows": 3}}`. Dashboards and alarms go by these, never by the message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", None),
            "message": record.getMessage(),
            **getattr(record, "values", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(format_: LogFormat) -> None:
    """Log to standard error: our packages from INFO on, the libraries from WARNING on."""
    handler = logging.StreamHandler()
    if format_ is LogFormat.JSON:
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    # Ours at INFO, the libraries' at WARNING: theirs is for who debugs them.
    logging.basicConfig(handlers=[handler])
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)
