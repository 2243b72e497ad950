"""Progress on a terminal as a bar, and in a log file as a few plain lines."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from saddleproof.printed import one_line


class Steps:
    """A context in which `advance` reports one of `total` steps.

    Args:
        console: a bar where it is a terminal, about ten lines where it is not.
        title: what is being done.
        total: how many steps there are at most.
        bounded: whether the last step is sure to come; a run may well end long before its budget.
    """

    def __init__(self, console: Console, title: str, total: int, *, bounded: bool = True) -> None:
        self._console, self._title, self._total, self._done = console, title, total, 0
        self._stride = max(1, total // 10) if bounded else 25
        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
        ]
        timing = [TimeElapsedColumn(), TimeRemainingColumn()] if bounded else [TimeElapsedColumn()]
        self._bar = Progress(
            *columns,
            *timing,
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, note: str = "") -> None:
        """One more step is done; `note` says what came of it."""
        self._done += 1
        note = one_line(note)
        self._bar.update(self._task, advance=1, note=note)
        if not self._console.is_terminal and self._done % self._stride == 0:
            line = f"{self._title}: {self._done} of {self._total}  {note}"
            self._console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)
