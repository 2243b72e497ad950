"""The log of a command that runs for long: on stderr, as text or as JSON, a line a record."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from saddleproof.printed import printable

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

format_option = click.option(
    "--log-format",
    "log_format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How a line of the log on stderr looks.",
)


def level_option(default: str) -> Callable[[F], F]:
    """`--log-level`, with the command's own default."""
    return click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        default=default,
        show_default=True,
        help="The least that the log on stderr tells.",
    )


def begin(log_format: str, level: str, about: str = "") -> None:
    """Send what this process logs from now on to stderr.

    Args:
        log_format: one of `FORMATS`.
        level: one of `LEVELS`. Of other libraries nothing below a warning is told.
        about: whose log it is, where several processes share one stderr.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json(about) if log_format == "json" else Text(about))
    handler.addFilter(Rare())
    root = logging.getLogger()
    for before in root.handlers[:]:
        if isinstance(before.formatter, Text | Json):
            root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("saddleproof").setLevel(level.upper())


class Rare(logging.Filter):
    """Lines of other libraries: from each place in their code the first, and then ever fewer.

    What gRPC and asyncio say of a connection that breaks is a peer's doing, who may do so for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._times: Counter[tuple[str, str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told: those of this library always, of others as powers of two."""
        if record.name.partition(".")[0] == "saddleproof":
            return True
        place = (record.name, record.pathname, record.lineno)
        self._times[place] += 1
        return self._times[place] & (self._times[place] - 1) == 0


class Text(logging.Formatter):
    """`2026-11-30T12:00:00.000Z warning: round 7: clinic-a is lost (dead)`."""

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = f"{about}: " if about else ""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; a traceback follows it, indented."""
        said = printable(self._about + record.getMessage())
        line = f"{_time(record)} {record.levelname.lower()}: {said}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n    {printable(part)}" for part in trace)
        return line


class Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields of the record."""

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = {"process": about} if about else {}

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        from saddleproof.fleets.logs import fields

        found: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            **self._about,
        }
        for name, value in fields(record).items():
            found[name] = _plain(printable(value) if isinstance(value, str) else value)
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
