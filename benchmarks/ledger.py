"""Outcomes of runs in a CSV file, so that a long benchmark can be stopped and taken up again."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

Row = TypeVar("Row")

_PARSE: dict[type, Callable[[str], Any]] = {bool: lambda text: text == "True"}


class Ledger(Generic[Row]):
    """One row a run, written when it ends; rows that are there already are not run again.

    A file belongs to one version of the code: delete it after a change.

    Args:
        path: the file; None keeps nothing.
        kind: a flat dataclass of bool, int, float and str.
        key: names of the fields that tell one run from another, in the order in which `runs`
            hands them to the function that it calls.
    """

    def __init__(self, path: Path | None, kind: type[Row], key: tuple[str, ...]) -> None:
        self._path, self._kind, self._key = path, kind, key
        self._names = [field.name for field in fields(kind)]
        self._rows: dict[tuple[object, ...], Row] = {}
        if path is not None and path.exists():
            types = get_type_hints(kind)
            parse = {name: _PARSE.get(types[name], types[name]) for name in self._names}
            with path.open(newline="") as file:
                for line in csv.DictReader(file):
                    self._keep(kind(**{name: parse[name](line[name]) for name in self._names}))

    def runs(
        self,
        one: Callable[..., Row],
        keys: Iterable[tuple[object, ...]],
        over: Callable[..., Iterable[Row]] = map,
    ) -> list[Row]:
        """one(*key) for every key, from the file where it is there.

        Args:
            one: a run.
            keys: one tuple a run.
            over: `map`, or that of a pool of processes.
        """
        keys = list(keys)
        missing = [key for key in keys if key not in self._rows]
        if missing:
            for row in over(one, *zip(*missing, strict=True)):
                self._keep(row)
                self._write(row)
        return [self._rows[key] for key in keys]

    def _keep(self, row: Row) -> None:
        self._rows[tuple(getattr(row, name) for name in self._key)] = row

    def _write(self, row: Row) -> None:
        if self._path is None:
            return
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._names)
            if new:
                writer.writeheader()
            writer.writerow(asdict(row))
