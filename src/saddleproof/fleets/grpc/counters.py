"""What is counted of every worker, and of strangers, as many as there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

#: What is counted for every worker, and for every stranger that came with a certificate of ours.
COUNTERS = (
    "answered",
    "late",
    "dead",
    "stale",
    "malformed",
    "refused",
    "connected",
    "replaced",
    "bytes",
)
#: Those that the messages of a round tell one by one; of the others its statuses tell.
_TURNED_AWAY = ("stale", "malformed", "refused")
#: Names of strangers that are kept; an authority's list is short, but it is not ours to trust.
_STRANGERS = 64


class Counters:
    """Counts by name.

    Args:
        workers: the roster; each has a row from the start.
    """

    def __init__(self, workers: tuple[str, ...]) -> None:
        self._most = len(workers) + _STRANGERS
        self._rows = {name: dict.fromkeys(COUNTERS, 0) for name in workers}
        self._turned_away: Counter[str] = Counter()

    def count(self, name: str, what: str, number: int = 1) -> str:
        """So many more of it; the name it went to, "others" when there are too many strangers."""
        if name not in self._rows:
            if len(self._rows) >= self._most:
                name = "others"
            self._rows.setdefault(name, dict.fromkeys(COUNTERS, 0))
        self._rows[name][what] += number
        if what in _TURNED_AWAY:
            self._turned_away[name] += number
        return name

    def turned_away(self) -> dict[str, int]:
        """Name to how much of it was turned away since the last call."""
        found, self._turned_away = self._turned_away, Counter()
        return dict(found)

    def read(self) -> Mapping[str, Mapping[str, int]]:
        """A copy that cannot be changed."""
        return MappingProxyType(
            {name: MappingProxyType(dict(row)) for name, row in list(self._rows.items())}
        )
