"""Worker processes for many independent tasks.

One process has one task at a time, so that the error about a process that died can name the task.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any, Self, TypeVar

from saddleproof import arguments
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab.children import Child, start

Task = TypeVar("Task", bound=tuple[Any, ...])
R = TypeVar("R")


class Pool:
    """A context in which tasks are run, in this process or in several.

    The processes start with the first tasks and serve later ones too. They end with the context,
    and as soon as an iterator of results is closed or raises half way.

    Args:
        jobs: the most processes; 1 computes in this process.

    Raises:
        OptionError: `jobs` is no whole number of at least 1.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = arguments.whole("jobs", jobs, least=1)
        self._children: list[Child] = []
        self._running = False
        # Python would wait for the processes at its own end: it ends them first.
        Finalize(self, _end, (self._children,), exitpriority=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; tasks that were begun are lost."""
        _end(self._children)

    def completed(
        self,
        function: Callable[..., R],
        tasks: Sequence[Task],
        *,
        label: Callable[[Task], str] = str,
        lost: Callable[[Task, SaddleproofError], R] | None = None,
    ) -> Generator[tuple[Task, R], None, None]:
        """Every task with `function(*task)`, as they finish; one process takes them in order.

        Args:
            function: what to compute; found by its name in a worker process.
            tasks: its arguments, a tuple each; they are pickled.
            label: a task in words, for the error.
            lost: what counts as the result of a task whose process died, from the task and the
                error; another process takes its place. The error is raised unless given.

        Raises:
            SaddleproofError: a process died, with the task that it had, and `lost` is not given.
            Exception: what the function raised, with the process's traceback as a note.
        """
        if self.jobs == 1:
            yield from ((task, function(*task)) for task in tasks)
            return
        if self._running:
            raise SaddleproofError("this pool has tasks already; finish or close their iterator")
        self._running, done = True, False
        try:
            start(self._children, min(self.jobs, len(tasks)))
            for position, result in self._results(function, tasks, label, lost):
                yield tasks[position], result
            done = True
        finally:
            self._running = False
            if not done:  # nobody waits for what was begun
                self.close()

    def _results(
        self,
        function: Callable[..., R],
        tasks: Sequence[Task],
        label: Callable[[Task], str],
        lost: Callable[[Task, SaddleproofError], R] | None,
    ) -> Iterator[tuple[int, R]]:
        waiting = iter(range(len(tasks)))
        busy: dict[Any, Child] = {}

        def give(child: Child) -> None:
            child.task = next(waiting, -1)
            if child.task >= 0:
                busy[child.line] = child
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen when read
                    child.line.send((function, tasks[child.task]))

        for child in self._children:
            give(child)
        while busy:
            for line in wait(list(busy)):
                child = busy.pop(line)
                position = child.task
                try:
                    worked, result = child.line.recv()
                except (EOFError, OSError) as error:
                    died = child.died(label(tasks[position]))
                    if lost is None:
                        raise died from error
                    give(self._replaced(child))
                    yield position, lost(tasks[position], died)
                    continue
                if not worked:
                    raise result
                give(child)
                yield position, result

    def _replaced(self, child: Child) -> Child:
        """A new process in the place of one that died."""
        child.end()
        self._children.remove(child)
        start(self._children, len(self._children) + 1)
        return self._children[-1]


def check_sendable(what: object, jobs: int) -> None:
    """Refuse members that cannot be sent to other processes, before any process starts.

    Args:
        what: all that the tasks hold.
        jobs: processes; nothing is sent for 1.

    Raises:
        OptionError: says what cannot be pickled, and what to do.
    """
    if jobs == 1:
        return
    try:
        pickle.dumps(what)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise OptionError(
            f"jobs={jobs} sends what was handed in to other processes, and it cannot be pickled: "
            f"{error}. Define functions and classes at the top of a module, or pass jobs=1"
        ) from error


def _end(children: list[Child]) -> None:
    for child in children:
        child.process.terminate()  # all of them, before the first is waited for
    while children:
        children.pop().end()
