"""Optimizers as pure ask/tell state machines.

    question = optimizer.ask(state)            # (q, d) points for gradients, or a question
    state    = optimizer.tell(state, reading)  # a new state; the old one is untouched

Options are frozen in the optimizer; everything that moves is in the state, a frozen dataclass of
arrays and scalars, which `saddleproof.storage.snapshot` saves. Convention: the first point of a
round of gradients is where the run stands, so that the trace can follow any optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts, GradientFacts
from saddleproof.errors import OptionError
from saddleproof.questions import Gradients, Question
from saddleproof.ranks import Interval
from saddleproof.words import Ending


@dataclass(frozen=True)
class Status:
    """Where a run stands, in a word and a sentence.

    Attributes:
        name: "running" until the optimizer ends by itself, then an `Ending`; a plain string
            becomes the `Ending` of that name. The loop adds "interrupted", "stopped",
            "too_few_workers" and "diverged". The loop also replaces second_order, conditional,
            saddle, open and no_escape_found by the ending of the certificate's level.
        message: one sentence for a person.

    Raises:
        OptionError: `name` is neither "running" nor an `Ending`.
    """

    name: Ending | str
    message: str = ""

    def __post_init__(self) -> None:
        if self.name == "running":
            return
        if self.name not in list(Ending):
            raise OptionError(
                f"a run cannot end as {self.name!r}; the endings are {', '.join(Ending)}"
            )
        object.__setattr__(self, "name", Ending(self.name))

    @property
    def done(self) -> bool:
        """Whether the optimizer has ended by itself."""
        return self.name != "running"


RUNNING = Status("running", "running")


class Combined(Protocol):
    """The rule applied to one combination of messages per worker."""

    @property
    def vector(self) -> Vector:
        """(p, d), one row a combination."""

    @property
    def inexactness(self) -> Vector | None:
        """(p,), one bound a combination; None where the rule knows none."""


class Reading(Protocol):
    """What the server may know of one round of q query points; made by `saddleproof.oracle`."""

    @property
    def stack(self) -> Vector:
        """(q, m, d): the admitted gradients, one row a worker that was heard."""

    @property
    def workers(self) -> tuple[str, ...]:
        """(m,) names of the workers that were heard."""

    @property
    def b(self) -> int:
        """The most Byzantine among them."""

    @property
    def void(self) -> NDArray[np.bool_]:
        """(q,): the points at which the workers' gradients overflow; zero in `stack`."""

    @property
    def gradient(self) -> Vector:
        """(q, d): GradAGG at every query point (Definition 3)."""

    @property
    def inexactness(self) -> Vector:
        """(q,): how far each row of `gradient` may be from the truth; inf where unknown."""

    @property
    def values(self) -> Interval:
        """Fields (q,): F at every query point, for an optimizer with `needs_values = True`.

        The median of the m numbers F_i(x), and its `Interval`: to steer by, and no proof.

        A value is a weaker thing to test than a gradient. An escape changes F by as little as
        epsilon^(3/2), while the workers' values differ by a constant each, which the gradient
        does not have; b liars move the median across that spread, up at one point and down at
        another, so a test of F(x) - F(y) against a threshold below it is theirs to decide.

        Raises:
            OptionError: the workers were not asked for their losses.
        """

    def per_worker(self, function: Callable[[Vector], Vector]) -> Combined:
        """The rule over workers of function(messages of one worker).

        What `combination` does for linear functions. b liars choose b of the m vectors that the
        rule sees, whatever the function is.

        Args:
            function: a worker's own (q, d) messages to a (p,) vector; finite for honest ones.

        Returns:
            `Combined` with vector (1, p) and inexactness (1,).
        """

    def combination(self, coefficients: Vector) -> Combined:
        """The rule over workers of sum_k c_k g_i(x_k), combined inside each worker first.

        Args:
            coefficients: (p, q), one combination a row.
        """

    def contrast(self, coefficients: Vector, directions: Vector) -> Interval:
        """One number per worker, sum_k c_k <g_i(x_k), D>, and where its honest median likely lies.

        Ranks and two standard errors steer a run. A claim about the honest mean takes the
        workers' own numbers from `stack`, and `ranks.mean_bounds`.

        Args:
            coefficients: (p, q), one combination a row.
            directions: (p, d), the D of each combination.

        Returns:
            Interval with fields of shape (p,).
        """

    def intervals(self, coefficients: Vector, errors: Vector) -> Interval:
        """Where every coordinate of p combinations likely lies, each worker's own error included.

        To steer by, as `contrast`. Worker i's coordinates are known to within its own
        |sum_k e_k g_i(x_k)|.

        Args:
            coefficients: (p, q), the c of one combination a row.
            errors: (p, q), the e of each.

        Returns:
            Interval with fields of shape (p, d).
        """


class Answers(Protocol):
    """What the server may know of a round of any other question; made by `saddleproof.oracle`."""

    @property
    def stack(self) -> Vector:
        """(m, *question.shape): the admitted answers, one row a worker that was heard."""

    @property
    def workers(self) -> tuple[str, ...]:
        """(m,) names of the workers that were heard."""

    @property
    def b(self) -> int:
        """The most Byzantine among them."""


@dataclass(frozen=True)
class Evidence:
    """What an optimizer knows about the point it returns, for the certificate.

    Attributes:
        escapes_failed: perturbed starts, from this point or next to it, that found no way down.
        curvature_bound: "a saddle with lambda_min < -curvature_bound would have been left with
            probability at least `confidence`"; None when no escape failed here.
        confidence: see `curvature_bound`.
        tolerance: eps_H, the negative curvature that the optimizer was to notice; None when it
            has none.
        assumptions: what the bound rests on, a sentence each.
        numbers: further figures worth printing, by name.
        gradient, curvature: what the workers said of this very point, from which a certificate
            follows without another round; None where they were not asked.
    """

    escapes_failed: int = 0
    curvature_bound: float | None = None
    confidence: float | None = None
    tolerance: float | None = None
    assumptions: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    gradient: GradientFacts | None = None
    curvature: CurvatureFacts | None = None


S = TypeVar("S")


class Optimizer(Protocol[S]):
    """A pure state machine over gradient readings."""

    def init(self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None) -> S:
        """The state before the first round.

        Args:
            w0: (d,) starting point.
            seed: for experiments only; None draws every perturbation from a key of fresh
                operating-system entropy, which no worker can predict.
            max_rounds: the rounds that the loop will grant, for optimizers that plan with it.
        """

    def ask(self, state: S) -> Vector | Question:
        """(q, d) points whose gradients are wanted, the first where the run stands; or a question.

        An optimizer that asks anything but gradients names the kinds in its attribute `questions`.
        """

    def tell(self, state: S, reading: Any) -> S:
        """The next state; `state` is untouched.

        Args:
            state: the one that asked.
            reading: a `Reading` of gradients, or `Answers` to any other question.
        """

    def status(self, state: S) -> Status:
        """Running, or the verdict with which the optimizer ends."""

    def point(self, state: S) -> Vector:
        """(d,): what the run would return now."""

    def evidence(self, state: S) -> Evidence | None:
        """What is known about `point(state)` beyond its gradient; None when nothing is."""

    def breakdown(self, m: int) -> int:
        """The most Byzantine workers of m under which this optimizer's tests mean anything."""

    def extend(self, state: S, max_rounds: int) -> S:
        """A saved state that is taken up again, and granted `max_rounds` since its beginning.

        With as many as before it is `state`; with more, a run that its budget ended goes on.
        """


class Machine:
    """Defaults that most optimizers share; inherit it or do not, the protocol is what counts.

    Attributes:
        needs_values: whether `tell` reads `Reading.values`; the workers are then asked for them.
        questions: the kinds of question that `ask` may give; an option may add to them.
    """

    needs_values: ClassVar[bool] = False
    questions: ClassVar[tuple[type, ...]] = (Gradients,)
    takes_back: ClassVar[bool] = False

    def evidence(self, state: Any) -> Evidence | None:
        """Nothing beyond the gradient."""
        return None

    def breakdown(self, m: int) -> int:
        """No demand beyond the rule's own breakdown point."""
        return m

    def extend(self, state: Any, max_rounds: int) -> Any:
        """The same state: nothing was planned with the rounds to come."""
        return state
