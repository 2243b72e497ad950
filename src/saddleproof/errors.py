"""One error tree.

    SaddleproofError
    ├── OptionError          an argument that cannot work (also a ValueError)
    │   └── BreakdownError   more Byzantine workers than the rule or optimizer can hold
    ├── ConfigError          a configuration file that cannot be run (also a ValueError)
    ├── StoreError           a checkpoint or run store that cannot be read or written
    ├── FleetError           the fleet cannot answer at all: closed, or without workers
    └── MissingExtraError    an optional dependency is not installed (also an ImportError)

Not converging is never an error: it is a `Status`. Bad messages are never errors either: the
oracle drops them, names the worker and goes on.
"""

from __future__ import annotations

from typing import Any


class SaddleproofError(Exception):
    """Root of every error that this library raises on purpose."""


class OptionError(SaddleproofError, ValueError):
    """An argument that cannot work; the message says what was given, needed, and what to do."""


class BreakdownError(OptionError):
    """More Byzantine workers than the rule or the optimizer can hold."""


class ConfigError(SaddleproofError, ValueError):
    """A configuration file that cannot be run; the message names the key and the valid names."""


class StoreError(SaddleproofError):
    """A checkpoint or run store that cannot be read or written.

    Attributes:
        result: the `Result` so far, where a run stopped because its state could not be written;
            else None.
    """

    result: Any = None


class FleetError(SaddleproofError):
    """The fleet cannot answer at all."""


class MissingExtraError(SaddleproofError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with the extra '{extra}': "
            f"pip install 'saddleproof[{extra}]'"
        )
