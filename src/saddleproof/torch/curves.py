"""What a training went through: metrics on a test set, and proved changes of the training loss."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.checkpoint import RoundRecord
from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.optimizers.plateaus import LossTest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rounds = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """The curves of a training, as plain arrays.

    A round is one question to the workers, a test of the loss included; every array counts them in
    the same way.

    Attributes:
        rounds: (k,) after how many rounds the model was evaluated; 0 is the start. With an ask/tell
            optimizer a point is the one that was asked about, which may have been a trial.
        metrics: name to (k,) values on the test set; NaN where a metric was not known or failed.
        loss_rounds: (t,) after how many rounds the training loss was bracketed.
        loss_low, loss_high: (t,) the training loss less that of the start lies in here, for the
            mean of the honest workers that were heard, all rows, whoever the liars are, up to the
            rounding of their losses. Empty
            from a jump on, whose own change is not measured, and where nothing was tested.
    """

    rounds: Rounds = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    metrics: dict[str, Vector] = field(default_factory=dict)
    loss_rounds: Rounds = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    loss_low: Vector = field(default_factory=lambda: np.empty(0))
    loss_high: Vector = field(default_factory=lambda: np.empty(0))

    def __getitem__(self, name: str) -> Vector:
        """The (k,) values of one metric.

        Raises:
            OptionError: no metric has this name.
        """
        if name not in self.metrics:
            raise OptionError(f"no metric {name!r}; there are {', '.join(self.metrics) or 'none'}")
        return self.metrics[name]

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.metrics.items())
        at = f"after {self.rounds[-1]} rounds: {last}" if len(self.rounds) else "no evaluation"
        return f"History of {len(self.rounds)} evaluations, {at}"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """One panel a metric, and one for the bracket of the training loss if there is any.

        Args:
            path: a file to write, .png, .svg or .pdf; None writes none.

        Returns:
            The figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
            OptionError: there is nothing to draw.
        """
        try:
            from matplotlib.figure import Figure
            from matplotlib.ticker import MaxNLocator
        except ImportError as error:
            raise MissingExtraError("matplotlib", "plot") from error
        panels = [*self.metrics, *(["training loss"] if len(self.loss_rounds) else [])]
        if not panels:
            raise OptionError("there is no curve to plot; pass evaluate= to fit")
        figure = Figure(figsize=(6.0, 2.2 * len(panels) + 0.6), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for ax, name in zip(axes, panels, strict=True):
            if name in self.metrics:
                ax.plot(self.rounds, self.metrics[name], marker=".")
                ax.set_ylabel(name)
            else:
                ax.fill_between(self.loss_rounds, self.loss_low, self.loss_high, alpha=0.4)
                ax.set_ylabel("training loss\nless the start's")
        axes[-1].set_xlabel("rounds")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        if path is not None:
            figure.savefig(path)
        return figure


def bracketed(
    tests: Sequence[LossTest], trace: Sequence[RoundRecord]
) -> tuple[Rounds, Vector, Vector]:
    """The tests as changes since the start: rounds, lower and upper ends.

    A test compares with the last point that had certainly fallen, so brackets add up from test to
    test. A jump begins a new count of tests: the chain is broken there.
    """
    known = {0: (0.0, 0.0)}  # gradient step to the bracket there
    steps = np.cumsum([record.question == "Gradients" for record in trace])
    found = []
    for test in tests:
        if test.since not in known:
            break
        low, high = known[test.since]
        ends = low + test.low, high + test.high
        found.append((int(np.searchsorted(steps, test.round)) + 1, *ends))
        if test.fell:
            known[test.round] = ends
    rounds, low_ends, high_ends = zip(*found, strict=True) if found else ((), (), ())
    return np.array(rounds, dtype=np.int64), np.array(low_ends), np.array(high_ends)
