"""Momentum on the workers' side (Karimireddy, He, Jaggi, "Learning from history", ICML 2021).

m_i <- beta m_i + (1 - beta) g_i, from m_i = 0, and worker i sends m_i in the place of g_i. What
honest workers send then varies by a factor sqrt((1 - beta) / (1 + beta)) less between them, which
is the room that liars hide in. Liars see the honest momenta: wrap this fleet in the coalition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError, StoreError
from saddleproof.fingerprint import conditions_of
from saddleproof.fleets.base import OK, Announcement, ExcludingFleet, Fleet, Messages
from saddleproof.questions import Gradients, Question, answered_by


class WorkerMomentum:
    """A fleet whose workers send an average over their past gradients.

    For optimizers with one trajectory, one point a round: an average over several points, or over
    a certificate's differences, means nothing. So what is asked without an optimizer, as a
    certificate does, is answered with plain gradients. A worker that is absent keeps its momentum.

    The step of a run means the same with and without momentum: a constant gradient g is sent as g
    in the end. PyTorch's SGD(momentum=beta) adds up instead, and steps 1 / (1 - beta) times as
    far at the same learning rate.

    The momenta are part of every checkpoint of a run, and a resumed run goes on with them.

    Args:
        fleet: who computes the gradients.
        beta: in [0, 1); 0 changes nothing.

    Raises:
        OptionError: beta is outside [0, 1).
    """

    def __init__(self, fleet: Fleet, beta: float = 0.9) -> None:
        if not 0 <= arguments.real("momentum", beta) < 1:
            raise OptionError(f"beta must be in [0, 1); got {beta}")
        self.fleet, self.beta = fleet, beta
        self.workers = fleet.workers
        self._momentum: dict[str, Vector] = {}
        self._plain = False

    @property
    def problem(self) -> object:
        """The problem underneath, or None."""
        return getattr(self.fleet, "problem", None)

    @property
    def questions(self) -> Sequence[type]:
        """The kinds of question that the fleet underneath answers."""
        return answered_by(self.fleet)

    def announce(self, announcement: Announcement) -> None:
        """A new run begins: forget the last one's momenta, and pass the rules on."""
        self._momentum = {}
        self._plain = announcement.optimizer is None
        self.fleet.announce(announcement)

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's momentum at the one point of this round.

        Raises:
            OptionError: an optimizer asked for more than one point.
        """
        if self._plain:
            return self.fleet.round(points, round_id=round_id, timeout=timeout)
        if len(points) != 1:
            raise OptionError(
                f"worker momentum follows one point a round; this optimizer asks for {len(points)}."
                " Leave it out, or take GradientDescent"
            )
        heard = self.fleet.round(points, round_id=round_id, timeout=timeout)
        answers = [
            self._averaged(name, answer, points) if status == OK else answer
            for name, answer, status in zip(self.workers, heard.answers, heard.status, strict=True)
        ]
        return Messages(answers, heard.status, heard.notes, heard.losses, heard.refused)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """The momentum at one point, or the plain answer to a question about the losses."""
        if isinstance(question, Gradients):
            return self.round(question.points, round_id=round_id, timeout=timeout)
        heard: Messages = self.fleet.ask(  # type: ignore[attr-defined]
            question, round_id=round_id, timeout=timeout
        )
        return heard

    def conditions(self) -> dict[str, str]:
        """What distinguishes the fleet underneath, and beta."""
        return {**conditions_of(self.fleet), "momentum": repr(float(self.beta))}

    def kept(self) -> dict[str, Any]:
        """Every worker's momentum, by name."""
        return {"momentum": dict(self._momentum)}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on with the momenta of a checkpoint.

        Raises:
            StoreError: they are no momenta of these workers.
        """
        momenta = kept.get("momentum")
        if set(kept) != {"momentum"} or not isinstance(momenta, dict):
            raise StoreError("the checkpoint holds no momenta of workers. Begin anew")
        shapes = set()
        for name, m in momenta.items():
            known = isinstance(m, np.ndarray) and m.dtype.kind == "f" and m.shape[:-1] == (1,)
            if name not in self.workers or not known or not np.isfinite(m).all():
                raise StoreError(
                    f"the checkpoint's momentum of {name!r} is no finite row of a worker on the "
                    "roster. Begin anew"
                )
            shapes.add((m.shape, m.dtype))
        if len(shapes) > 1:
            raise StoreError("the checkpoint's momenta differ in length or dtype. Begin anew")
        self._momentum = {name: np.array(m) for name, m in momenta.items()}

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Tell the fleet underneath who was proved bad."""
        if isinstance(self.fleet, ExcludingFleet):
            self.fleet.exclude(excluded)

    def close(self) -> None:
        """Close the fleet underneath."""
        self.fleet.close()

    def _averaged(self, name: str, answer: object, points: Vector) -> object:
        if not isinstance(answer, np.ndarray) or answer.shape != points.shape:
            return answer  # no gradient: judging it is the oracle's business
        old = self._momentum.get(name)
        new = (1 - self.beta) * answer
        if old is not None:
            new += self.beta * old
        self._momentum[name] = new
        return new
