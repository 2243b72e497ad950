"""What the tests of the desk say to it."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc.desk import Caller, Desk
from saddleproof.fleets.grpc.frames import answer_to, decode, frames
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

POINTS = np.arange(6.0).reshape(2, 3)
W = np.zeros(3)
ASKED = {
    "gradients": Gradients(POINTS),
    "changes": Changes(W, POINTS, np.ones(5)),
    "curvatures": Curvatures(W, POINTS),
    "least": LeastCurvature(W, steps=2, seed=3),
}


class Connection(Caller):
    def __init__(self, name):
        super().__init__(name)
        self.dropped = None

    def drop(self, reason):
        self.dropped = reason


def ask(desk, question=ASKED["gradients"], losses=False, line=None):
    desk.open(question, losses=losses, round_id=4)
    (question,) = desk.question_for(line or desk.made["ann"], 0)[1]
    return decode(question)[0]


def answer(asked, *parts, **changes):
    header = answer_to(asked)
    (frame,) = frames(f.replace(header, **changes), *(parts or (POINTS,)))
    return frame


def say(desk, name, frame):
    return desk.receive(desk.made[name], frame)


@pytest.fixture
def desk():
    made = Desk(("ann", "ben", "cat"))
    made.made = {name: Connection(name) for name in made.workers}
    for line in made.made.values():
        assert made.connect(line) is None
    return made
