"""How a process speaks: a line for people, or a JSON object for machines, per event."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

from jobs.terminal import display
from jobs.terminal.capture import is_captured
from pipeline.text.printable import visible, visible_json, visible_lines

_PACKAGES = ("jobs", "pipeline")


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"
    JSON = "json"


@dataclass
class Settings:
    """How this process speaks."""

    format: LogFormat = LogFormat.TEXT
    verbose: bool = False


settings = Settings()


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
        return visible_json(json.dumps(line, ensure_ascii=False, default=str))


class TextLines(logging.Formatter):
    """A line for people: whatever an event quotes, it stays one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The record's line, to which a traceback may be added."""
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        """A traceback, in its lines."""
        return visible_lines(super().formatException(ei))


def last_line(message: str, exit_code: int) -> str:
    """What a command ends with when it fails, as a line of the log."""
    if settings.format is LogFormat.TEXT:
        return message
    record = logging.makeLogRecord({"name": "jobs.cli", "levelname": "ERROR", "msg": message})
    record.event, record.values = "failed", {"exit_code": exit_code}
    return JsonLines().format(record)


class _Ours(logging.Handler):
    """Our lines, onto the terminal; but for those that a line there says already as it moves."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "moves", False) and display.moves():
            return  # no news to whoever sees it move
        try:
            display.say(self.format(record))
        except (OSError, ValueError):  # as every handler: what cannot be told stops no run
            self.handleError(record)


class _Others(logging.StreamHandler[TextIO]):
    """The libraries' lines, onto standard error, whatever that is at the moment.

    While it is captured ours go there as well: what is kept of a run has them in their places.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(TextLines("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def filter(self, record: logging.LogRecord) -> bool:
        is_ours = record.name.partition(".")[0] in _PACKAGES
        return is_captured() or not is_ours


def configure(format_: LogFormat, *, verbose: bool = False) -> None:
    """Log: our packages from INFO on, to the terminal; the libraries from WARNING on.

    Args:
        format_: of our lines.
        verbose: whether what Ray and libraries say is to be seen on the terminal.
    """
    settings.format, settings.verbose = format_, verbose
    ours = _Ours()
    if format_ is LogFormat.JSON:
        ours.setFormatter(JsonLines())
    else:
        ours.setFormatter(TextLines("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    for package in _PACKAGES:
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        _replace(logger, ours)
    _replace(logging.getLogger(), _Others())


def _replace(logger: logging.Logger, handler: logging.Handler) -> None:
    for one in [one for one in logger.handlers if isinstance(one, _Ours | _Others)]:
        logger.removeHandler(one)
    logger.addHandler(handler)
