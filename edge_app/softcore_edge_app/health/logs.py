"""Logs: the messages of a line on standard error, as text or JSON."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal

from softcore_runtime.missing_library import explain_import

from softcore_edge_app.health.log_limit import LogLimit, count_left_out
from softcore_edge_app.printable import printable

__all__ = ["configure_logs"]

_LOGGERS: Final = ("softcore_edge_app", "softcore_runtime")
_PROGRAM: Final = "softcore-edge"
_LEVELS: Final = {logging.CRITICAL: "alarm: ", logging.ERROR: "alarm: ", logging.WARNING: "warning: "}
# What a library may quote: the user of an address, a header, a query.
_SECRETS: Final = re.compile(
    r"(?i)(?P<address>://)[^\s\"'<>@]*@"
    r"|(?P<name>\b(?:password|passwd|secret|token|authorization|api[_-]?key)\b[\"']?\s*[=:]\s*[\"']?"
    r"(?:bearer\s+|basic\s+)?)[^\s\"'&,;]+"
)


def configure_logs(form: Literal["text", "json"]) -> None:
    """Set the form of logs, and show the warnings of libraries; without this call, logs are text.

    A repeated line is shown once a minute, with the number of those left out: see `LogLimit`. Passwords,
    tokens and users in addresses are left out. Logs go to the standard error of the moment.

    Args:
        form: "text" is `softcore-edge: warning: MESSAGE`; "json" is an object on each line, with `time` (ISO,
            UTC), `level`, `logger` and `event`.

    Raises:
        MissingLibraryError: json needs structlog.
    """
    formatter = _make_json_formatter() if form == "json" else _TextFormatter()
    _OWN.setFormatter(formatter)
    _FOREIGN.setFormatter(formatter)
    _LIMIT.forget()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    if _FOREIGN not in root.handlers:
        root.addHandler(_FOREIGN)


class _StandardError(logging.Handler):
    """Writes to the standard error of the moment; does nothing if it is closed or full."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()


class _TextFormatter(logging.Formatter):
    """Formats a record as one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        level, message = _LEVELS.get(record.levelno, ""), record.getMessage()
        if message.startswith(tuple(_LEVELS.values())):
            level = ""
        if _is_foreign(record):  # a library's error is no alarm of the line
            level, message = "warning: ", f"{record.name}: {message}"
        if record.exc_info and record.exc_info[1]:
            message += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        if count := count_left_out(record):
            message += f" ({count} more like it were left out)"
        return printable(f"{_PROGRAM}: {level}{' '.join(_hide(message).split())}")


def _make_json_formatter() -> logging.Formatter:
    try:
        import structlog
    except ImportError as error:
        raise explain_import(error, "edge") from error

    def hide_secrets(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if count := count_left_out(event["_record"]):
            event["left_out"] = count
        return {key: _hide(value) if isinstance(value, str) else value for key, value in event.items()}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            hide_secrets,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def _is_foreign(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] not in _LOGGERS


def _hide(text: str) -> str:
    """Return a text without secrets."""
    return _SECRETS.sub(
        lambda found: (found["address"] or found["name"]) + "***" + "@" * bool(found["address"]), text
    )


# The line's own loggers have a handler of their own, so that they work from the first import on.
_OWN: Final = _StandardError()
_FOREIGN: Final = _StandardError(logging.WARNING)
_OWN.setFormatter(_TextFormatter())
_LIMIT: Final = LogLimit()
_FOREIGN.addFilter(_is_foreign)
_FOREIGN.addFilter(_LIMIT)
_OWN.addFilter(_LIMIT)
for _name in _LOGGERS:
    logging.getLogger(_name).setLevel(logging.INFO)
    logging.getLogger(_name).addHandler(_OWN)
