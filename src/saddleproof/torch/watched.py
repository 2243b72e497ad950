"""A fleet that is looked at: where the run stands is evaluated every so many rounds.

The first point of a round of gradients is where the run stands (`saddleproof.optimizers.base`), so
a fleet sees the path of any optimizer. The curves are part of what it keeps, so they are in every
checkpoint, and a resumed run has the curves of one that was not cut.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import StoreError
from saddleproof.fingerprint import KeepingFleet, conditions_of
from saddleproof.fleets.base import Announcement, ExcludingFleet, Fleet, Messages
from saddleproof.questions import Gradients, Question, answered_by

_log = logging.getLogger(__name__)
KEPT = "curves"


class Watched:
    """The fleet underneath, and the metrics of the points that it was asked at.

    Args:
        fleet: who answers.
        evaluate: (d,) to metrics by name; None looks at nothing, and passes on what was kept.
        every: rounds from one evaluation to the next.
    """

    def __init__(
        self, fleet: Fleet, evaluate: Callable[[Vector], dict[str, float]] | None, every: int
    ) -> None:
        self.fleet, self.workers = fleet, fleet.workers
        self._evaluate, self._every = evaluate, every
        self._seen: list[tuple[int, dict[str, float]]] = []

    @property
    def problem(self) -> object:
        """The problem underneath, or None."""
        return getattr(self.fleet, "problem", None)

    @property
    def questions(self) -> Sequence[type]:
        """The kinds of question that the fleet underneath answers."""
        return answered_by(self.fleet)

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last evaluation."""
        return self._seen[-1][1] if self._seen else {}

    def announce(self, announcement: Announcement) -> None:
        """A new run begins without curves."""
        self._seen = []
        self.fleet.announce(announcement)

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """A round of the fleet underneath, and perhaps a look at where it stands."""
        last = self._seen[-1][0] if self._seen else -self._every
        if round_id >= last - last % self._every + self._every:
            self.look(points[0], round_id)
        return self.fleet.round(points, round_id=round_id, timeout=timeout)

    def look(self, w: Vector, rounds: int) -> None:
        """Evaluate w, reached after so many rounds, unless that was done."""
        if self._evaluate is None or (self._seen and self._seen[-1][0] >= rounds):
            return
        found = self._evaluate(np.asarray(w))
        self._seen.append((rounds, found))
        told = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        _log.info("after %d rounds: %s", rounds, told, extra={"saddle_round": rounds, **_as(found)})

    def curves(self) -> tuple[np.ndarray, dict[str, Vector]]:
        """(k,) rounds, and name to (k,) values."""
        names = dict.fromkeys(name for _, found in self._seen for name in found)
        rounds = np.array([at for at, _ in self._seen], dtype=np.int64)
        nan = float("nan")
        return rounds, {
            name: np.array([found.get(name, nan) for _, found in self._seen]) for name in names
        }

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """A question to the fleet underneath."""
        if isinstance(question, Gradients):
            return self.round(question.points, round_id=round_id, timeout=timeout)
        heard: Messages = self.fleet.ask(  # type: ignore[attr-defined]
            question, round_id=round_id, timeout=timeout
        )
        return heard

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Tell the fleet underneath who was proved bad."""
        if isinstance(self.fleet, ExcludingFleet):
            self.fleet.exclude(excluded)

    def conditions(self) -> dict[str, str]:
        """What distinguishes the fleet underneath; a look changes nothing."""
        return conditions_of(self.fleet)

    def kept(self) -> dict[str, Any]:
        """The memory of the fleet underneath, and the curves if there are any."""
        inner = self.fleet.kept() if isinstance(self.fleet, KeepingFleet) else {}
        rounds, metrics = self.curves()
        return inner | ({KEPT: {"rounds": rounds, "metrics": metrics}} if len(rounds) else {})

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on with the curves of a checkpoint.

        Raises:
            StoreError: they are none.
        """
        inner = {name: value for name, value in kept.items() if name != KEPT}
        self._seen = _entries(kept[KEPT]) if KEPT in kept else []
        if isinstance(self.fleet, KeepingFleet):
            self.fleet.restore(inner)

    def close(self) -> None:
        """Close the fleet underneath."""
        self.fleet.close()


def _entries(curves: Any) -> list[tuple[int, dict[str, float]]]:
    broken = StoreError("the checkpoint holds no curves of a training. Begin anew")
    if not isinstance(curves, dict) or set(curves) != {"rounds", "metrics"}:
        raise broken
    rounds, metrics = curves["rounds"], curves["metrics"]
    if not isinstance(rounds, np.ndarray) or rounds.dtype.kind != "i" or rounds.ndim != 1:
        raise broken
    if (np.diff(rounds, prepend=-1) <= 0).any() or not isinstance(metrics, dict):
        raise broken
    for values in metrics.values():
        known = isinstance(values, np.ndarray) and values.dtype.kind == "f"
        if not known or values.shape != rounds.shape:
            raise broken
    return [
        (int(at), {name: float(values[i]) for name, values in metrics.items()})
        for i, at in enumerate(rounds)
    ]


def _as(found: dict[str, float]) -> dict[str, float]:
    return {f"saddle_{name}": value for name, value in found.items() if name.isidentifier()}
