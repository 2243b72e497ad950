"""SIGHUP to a server: read the roster and the keys again."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddleproof.errors import SaddleproofError
from saddleproof.fleets.grpc.roster import read

if TYPE_CHECKING:
    from saddleproof.fleets.grpc.fleet import GrpcFleet

_log = logging.getLogger(__name__)


@contextmanager
def rereading(fleet: GrpcFleet, roster: Path | None) -> Iterator[None]:
    """Within it, SIGHUP makes the fleet read its keys' folder and the roster's file again.

    A file that cannot be read changes nothing; the log says so.
    """
    from saddleproof.fleets.logs import told

    number: Any = getattr(signal, "SIGHUP", None)
    if number is None:  # Windows
        yield
        return

    def reread(_number: int, _frame: Any) -> None:
        try:
            new = fleet.reload(None if roster is None else read(roster))
        except SaddleproofError as error:
            text = "SIGHUP: nothing has changed: %s"
            _log.error(text, error, extra=told(event="unchanged", reason=str(error)))
            return
        for name in new:
            text = "SIGHUP: %s cannot join: the roster of a run is fixed when it begins"
            _log.error(text, name, extra=told(event="unchanged", worker=name))
        _log.info("SIGHUP: roster and keys are read again", extra=told(event="reloaded"))

    before = signal.signal(number, reread)
    try:
        yield
    finally:
        signal.signal(number, before)
