"""The runs of a search, written down as they end: what makes it resumable.

A search is a pure function of its arguments and of the outcomes of its runs, and a run is one of
its attack and its seed. So a search that was cut short starts over, finds the runs that it has
done in the log, and goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from saddleproof.errors import StoreError
from saddleproof.lab.red_team.outcomes import Outcome

#: An attack's table as text, and a seed.
Key = tuple[str, int]


def key(attack: dict[str, Any], seed: int) -> Key:
    """What names a run."""
    return json.dumps(attack, sort_keys=True), seed


class AttemptLog:
    """Outcomes by run, in memory and, when there is a path, in a file of one JSON line each.

    Args:
        path: the file; made when missing, with its folder.
        about: what all runs have in common; a file about anything else is refused.

    Raises:
        StoreError: the file cannot be read or written, or is about something else.
    """

    def __init__(self, path: str | os.PathLike[str] | None, about: str) -> None:
        self.path = None if path is None else Path(path)
        self.known: dict[Key, Outcome] = {}
        if self.path is None:
            return
        try:
            if self.path.exists():
                self._read(about)
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._append({"about": about})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"log {self.path}: {error}") from error

    def add(self, attack: dict[str, Any], seed: int, outcome: Outcome) -> None:
        """Write a run down."""
        self.known[key(attack, seed)] = outcome
        if self.path is not None:
            line = {"attack": attack, "seed": seed, "outcome": dataclasses.asdict(outcome)}
            self._append(line)

    def _read(self, about: str) -> None:
        path = Path(self.path or "")
        text = path.read_text(encoding="utf-8")
        if not text.endswith("\n"):  # killed while it wrote: what comes next gets a line of its own
            path.write_text(f"{text}\n", encoding="utf-8")
        lines = text.splitlines()
        if not lines or json.loads(lines[0]).get("about") != about:
            raise StoreError(
                f"{self.path} is the log of another search (another configuration or version); "
                "write to another place"
            )
        for line in lines[1:]:
            try:
                found = json.loads(line)
            except ValueError:
                continue  # the line that was being written when the process was killed
            self.known[key(found["attack"], found["seed"])] = Outcome(**found["outcome"])

    def _append(self, line: dict[str, Any]) -> None:
        with Path(self.path or "").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
