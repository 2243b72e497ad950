"""The certificate of a model that a Flower strategy trained: asked of the clients that answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator
from saddleproof.certificate import Budget, certify
from saddleproof.claims import Certificate, failed
from saddleproof.errors import BreakdownError
from saddleproof.fleets.base import OK, Messages
from saddleproof.fleets.flower.fleet import FlowerFleet
from saddleproof.flower.layout import ModelLayout
from saddleproof.questions import Question


class _Counting(FlowerFleet):
    """Remembers whether anybody has answered a question."""

    heard = False

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        found = super().ask(question, round_id=round_id, timeout=timeout)
        self.heard = self.heard or OK in found.status
        return found


def certificate_of(
    grid: Any,
    model: Mapping[str, NDArray[Any]],
    rule: Aggregator,
    b: int,
    *,
    workers: Mapping[str, str] | None = None,
    budget: Budget | None = None,
) -> Certificate:
    """Ask all nodes about a model, and say how nearly it is second-order stationary.

    Args:
        grid: Flower's.
        model: its arrays by name; all floating-point ones must be parameters that the clients
            train, so that a vector means the same on both sides. Clients refuse what is not.
        rule: of the aggregate of the gradients.
        b: the most lying clients among all nodes.
        workers: worker to public key; without it an answer counts for the node that was asked.
        budget: what it may cost a client.

    Returns:
        Certificate. Where nobody answers, or too few, its level is "open" and its reason says so.
    """
    layout = ModelLayout.of(model)
    w = layout.vector(list(model.values())).astype(np.float64)
    nodes: list[int] = sorted(grid.get_node_ids())
    if not nodes:
        return failed("no node is connected, so nobody can be asked")
    fleet = _Counting(grid, workers or nodes, about=layout.told)
    with closing(fleet):
        try:
            found = certify(fleet, w, rule, b, budget=budget)
        except BreakdownError as error:
            return failed(str(error))
    if fleet.heard:
        return found
    return replace(
        found,
        reason=(
            f"none of the {len(fleet.workers)} clients that were asked answered a question, so "
            "nothing is known of this model. Let the client app answer: "
            "saddleproof.flower.answer_questions(app, module, loss, load_data). The clients' own "
            f"logs say why they did not ({found.reason})"
        ),
    )
