"""What liars do at a query point, each message a function: the words of a `Playbook`.

w the query point, c the first point of the round (where the run stands), u = (w - c) / |w - c|,
e the escape direction, L the smoothness, g the honest mean, s the spread of the honest rows (root
mean square distance to g), `size` the one number of a message.

    honest                the truth
    hold, push, cancel    the saddle attack's targets, by the strongest message
    turn                  target -size g, by the strongest message
    pin                   target size L <w - saddle, e> e + g - <g, e> e, by the strongest message:
                          a valley where the way out is
    pull                  target size L (w - c), by the strongest message: where the run stands is
                          a minimum
    grow, fall            own row +- size L (w - c): fake positive, fake negative curvature
    hide, invent          the same along e alone
    flat                  own row at c, everywhere: no curvature at all
    vote_no, vote_yes     g +- size s u: F grows, F falls, whichever way the run goes
    edge_no, edge_yes     the honest row that says so most loudly
    inflate               own row +- size s in every coordinate, every other member
    drive, sway           g - size s e in every round; with turning sign
    random                own row + size s N(0, I), for each member and point anew
    alie                  g - size std
    mimic                 the honest row farthest out in the first principal direction
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.mimic import Mimic
from saddleproof.attacks.saddle import SaddleAttack, Style
from saddleproof.attacks.strongest import through
from saddleproof.attacks.vote import Vote


@dataclass(frozen=True)
class PointsOfRole:
    """Query points with one role, and what a message needs to know about them.

    Attributes:
        view: the coalition's view of these points alone.
        center: (d,) c.
        anchored: (k, d) the members' own rows at c.
        size: see the head of this file.
    """

    view: AttackView
    center: Vector
    anchored: Vector
    size: float

    @property
    def away(self) -> Vector:
        """(q, d): w - c."""
        return self.view.points - self.center

    @property
    def spread(self) -> Vector:
        """(q, 1): s."""
        offset = self.view.honest - self.view.honest_mean[:, None, :]
        s: Vector = np.sqrt((offset**2).sum(axis=2).mean(axis=1))[:, None]
        return s

    @property
    def direction(self) -> Vector:
        """(d,): e; where the problem names none, the first axis."""
        e = getattr(self.view.problem, "escape_direction", None)
        if e is None:
            e = np.eye(self.view.points.shape[1])[0]
        unit: Vector = e / np.linalg.norm(e)
        return unit

    @property
    def smoothness(self) -> float:
        """L; where the problem names none, 1."""
        return float(getattr(self.view.problem, "smoothness", None) or 1.0)

    def all_say(self, row: Vector) -> Vector:
        """(q, d) to (q, k, d)."""
        return np.repeat(row[:, None, :], len(self.view.members), axis=1)

    def along(self, vector: Vector) -> Vector:
        """(q, d): the part along e."""
        e = self.direction
        return np.outer(vector @ e, e)


Trick = Callable[[PointsOfRole], Vector]


def _saddle(style: Style) -> Trick:
    return lambda at: SaddleAttack(style=style)(at.view)


def _turn(at: PointsOfRole) -> Vector:
    return through(at.view, -at.size * at.view.honest_mean)


def _pin(at: PointsOfRole) -> Vector:
    g, saddle = at.view.honest_mean, getattr(at.view.problem, "saddle", at.center)
    back = at.size * at.smoothness * at.along(at.view.points - saddle)
    return through(at.view, g - at.along(g) + back)


def _pull(at: PointsOfRole) -> Vector:
    return through(at.view, at.size * at.smoothness * at.away)


def _bend(sign: float, *, along_e: bool) -> Trick:
    def bend(at: PointsOfRole) -> Vector:
        way = at.along(at.away) if along_e else at.away
        lies: Vector = at.view.own + sign * at.size * at.smoothness * way[:, None, :]
        return lies

    return bend


def _flat(at: PointsOfRole) -> Vector:
    return np.repeat(at.anchored[None], len(at.view.points), axis=0)


def _vote(sign: float) -> Trick:
    def vote(at: PointsOfRole) -> Vector:
        length = np.linalg.norm(at.away, axis=1, keepdims=True)
        u = np.divide(at.away, length, out=np.zeros_like(at.away), where=length > 0)
        return at.all_say(at.view.honest_mean + sign * at.size * at.spread * u)

    return vote


def _edge_no(at: PointsOfRole) -> Vector:
    return Vote("no", size=None, center=at.center)(at.view)


def _edge_yes(at: PointsOfRole) -> Vector:
    return Vote("yes", size=None, center=at.center)(at.view)


def _inflate(at: PointsOfRole) -> Vector:
    lies = at.view.own
    signs = np.where(np.arange(lies.shape[1]) % 2, -1.0, 1.0)
    louder: Vector = lies + at.size * (at.spread[:, :, None] * signs[:, None])
    return louder


def _drive(at: PointsOfRole) -> Vector:
    return at.all_say(at.view.honest_mean - at.size * at.spread * at.direction)


def _sway(at: PointsOfRole) -> Vector:
    sign = 1.0 if at.view.round_id % 2 else -1.0
    return at.all_say(at.view.honest_mean + sign * at.size * at.spread * at.direction)


def _random(at: PointsOfRole) -> Vector:
    own = at.view.own
    noise = np.random.default_rng(at.view.round_id).standard_normal(own.shape)
    lies: Vector = own + at.size * at.spread[:, :, None] * noise
    return lies


def _alie(at: PointsOfRole) -> Vector:
    return at.all_say(at.view.honest_mean - at.size * at.view.honest.std(axis=1))


MESSAGES: dict[str, Trick] = {
    "honest": lambda at: at.view.own,
    "hold": _saddle("hold"),
    "push": _saddle("push"),
    "cancel": _saddle("cancel"),
    "turn": _turn,
    "pin": _pin,
    "pull": _pull,
    "grow": _bend(+1.0, along_e=False),
    "fall": _bend(-1.0, along_e=False),
    "hide": _bend(+1.0, along_e=True),
    "invent": _bend(-1.0, along_e=True),
    "flat": _flat,
    "vote_no": _vote(+1.0),
    "vote_yes": _vote(-1.0),
    "edge_no": _edge_no,
    "edge_yes": _edge_yes,
    "inflate": _inflate,
    "drive": _drive,
    "sway": _sway,
    "random": _random,
    "alie": _alie,
    "mimic": lambda at: Mimic(worker=None)(at.view),
}
