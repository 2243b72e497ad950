"""Who computes what, twice: codes under which s lies in m messages cannot hide (DRACO).

    g_j, j < m       pieces: gradients of m parts of the data
    W                (m, m) code: worker i sends sum_j W_ij g_j; it holds the parts with W_ij != 0
    s                liars that are found out
    r                redundancy, parts a worker holds: at least 2s + 1 for any code

Both codes here have rows and columns of sum 1, so that a message looks like a gradient, and the
mean of all messages is the mean of all pieces.

Reference: Chen, Wang, Charles, Papailiopoulos 2018, "DRACO: Byzantine-resilient distributed
training via redundant gradients", ICML. The cyclic code there is complex; `Cyclic` is its real
sibling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError

#: Rounding errors, in units of the last place of the messages, that are no lie.
ROUNDING = 256.0
#: Least relative eigenvalue of a syndrome that is no rounding error.
RANK = 1e-13


class Code(Protocol):
    """A linear code over the workers."""

    @property
    def s(self) -> int:
        """Liars that it corrects."""

    def matrix(self, m: int) -> Vector:
        """(m, m): W.

        Raises:
            OptionError: there is no such code for m workers.
        """

    def weights(self, messages: Vector, at: NDArray[np.intp], m: int) -> Vector:
        """(k,) weights of the messages whose sum is the mean of all m pieces; 0 for liars.

        Args:
            messages: (k, p), one row a worker that was heard.
            at: (k,) which of the m workers they are.
            m: workers, absent ones included.

        Raises:
            BreakdownError: too many lie or are absent.
        """


@dataclass(frozen=True)
class Repetition:
    """Groups of r = 2s + 1 workers that compute the very same thing; the majority is right.

    Two honest members of a group send the same bits, if gradients are deterministic (same data
    order, dtype and kernel), so votes are counted by exact equality and recovery is exact to the
    bit. A value with s + 1 votes has an honest one among them. s + 1 liars in one group who agree
    win its vote: nothing shows.

    Args:
        s: >= 0; liars, all of whom may sit in one group.

    >>> Repetition(1).matrix(3)
    array([[0.33333333, 0.33333333, 0.33333333],
           [0.33333333, 0.33333333, 0.33333333],
           [0.33333333, 0.33333333, 0.33333333]])
    """

    s: int = 1

    def __post_init__(self) -> None:
        check_options(self)
        _check(self.s)

    def matrix(self, m: int) -> Vector:
        """Blocks of 1/r; m must be a multiple of r."""
        r = 2 * self.s + 1
        if m < r or m % r:
            raise OptionError(
                f"Repetition(s={self.s}) needs workers in groups of {r}; got m={m}. "
                f"Take {max(m // r, 1) * r} workers, or Cyclic"
            )
        return np.kron(np.eye(m // r), np.full((r, r), 1.0 / r))

    def weights(self, messages: Vector, at: NDArray[np.intp], m: int) -> Vector:
        """The first of each group's majority. O(m r p)."""
        r = 2 * self.s + 1
        found = np.zeros(len(at))
        for group in range(m // r):
            members = np.flatnonzero(at // r == group)
            values = messages[members]
            votes = [sum(np.array_equal(mine, other) for other in values) for mine in values]
            winners = members[np.array(votes, dtype=int) > self.s]
            if not len(winners):
                raise BreakdownError(
                    f"group {group} (workers {group * r} to {group * r + r - 1}) has no value with "
                    f"{self.s + 1} votes of {len(members)} heard: more than s={self.s} lie or are "
                    "absent, or honest gradients are not deterministic"
                )
            found[winners[0]] = r / m
        return found


@dataclass(frozen=True)
class Cyclic:
    """Worker i holds parts i, ..., i + r - 1 (mod m), weighted by a polynomial with chosen zeros.

    W is circulant with generator h(z) = c prod over k in P of (z - omega^k), omega = e^(2 pi i/m),
    h(1) = 1, where P is the set of consecutive frequencies around m/2 of size K = 2s for odd m and
    2s + 1 for even m; it is its own conjugate, so W is real. r = K + 1. Honest messages, as a
    function of the worker, have no part at the frequencies P: what is there, the syndrome, comes
    from liars alone. Any m - K honest messages span the rest, so the mean of the pieces is a
    weighted sum of them.

    Decoding: for a set E of at most s liars, the polynomials that annihilate the Hankel matrix of
    the syndromes (all columns at once) are those with zeros at omega^-i, i in E, whatever E sends.
    The largest lies are found first, since small ones drown in their rounding; what is found is
    erased, and the rest looked at again. An absent worker costs as much as half a liar.

    Recovery is exact up to rounding, not to the bit. A lie of the size of the rounding errors is
    not found, and the weights of the m - K or more messages that are left amplify it, most where
    liars are neighbours, and the more, the larger m and s: for lies of all sizes the tests hold
    the error to 1e-12 at m = 15, s = 2 and to 1e-9 at m = 60, s = 4, for pieces of size 1. Where
    that is not enough, take `Repetition`.

    Args:
        s: >= 0, with K < m.

    >>> Cyclic(1).matrix(3)
    array([[0.33333333, 0.33333333, 0.33333333],
           [0.33333333, 0.33333333, 0.33333333],
           [0.33333333, 0.33333333, 0.33333333]])
    """

    s: int = 1

    def __post_init__(self) -> None:
        check_options(self)
        _check(self.s)

    def frequencies(self, m: int) -> NDArray[np.intp]:
        """P: 2s or 2s + 1 consecutive frequencies around m/2."""
        K = 2 * self.s + (self.s > 0 and m % 2 == 0)
        if m < K + 1:
            raise OptionError(f"Cyclic(s={self.s}) needs more than {K} workers; got m={m}")
        return (m - K + 1) // 2 + np.arange(K)

    def matrix(self, m: int) -> Vector:
        """Circulant: W_{i, i + t} = h_t."""
        return _circulant(self, m)

    def weights(self, messages: Vector, at: NDArray[np.intp], m: int) -> Vector:
        """Those of least norm on whom no suspicion fell. O(K m p + m^3)."""
        honest = np.ones(len(at), dtype=bool)
        omega = np.exp(2j * np.pi * np.arange(m) / m)
        absent = np.setdiff1d(np.arange(m), at)
        K = len(self.frequencies(m))
        most = (K - len(absent)) // 2 if self.s else 0
        if len(absent) > K:
            raise BreakdownError(f"{len(absent)} of {m} workers are absent; Cyclic holds {K}")
        while True:
            left = most - int((~honest).sum())
            syndrome, noise = self._syndrome(messages, at, honest, omega)
            suspects = _locate(syndrome, left, omega[at], honest, noise)
            if suspects is None:
                raise BreakdownError(
                    f"the messages are no code word after {most} of them were dropped, and "
                    f"{len(absent)} are absent: more than s={self.s} lie, or honest gradients are "
                    "not deterministic"
                )
            if not len(suspects):
                break
            honest[suspects] = False
        if len(at) == m and honest.all():
            return np.full(m, 1.0 / m)
        found = np.zeros(len(at))
        found[honest] = np.linalg.lstsq(self.matrix(m)[at[honest]].T, np.full(m, 1.0 / m))[0]
        return found

    def _syndrome(
        self, messages: Vector, at: NDArray[np.intp], honest: NDArray[np.bool_], omega: Any
    ) -> tuple[Any, float]:
        """What the messages still trusted have at P, the others divided out; and its rounding."""
        m = len(omega)
        k = self.frequencies(m)
        rows = np.where(honest[:, None], messages, 0.0).astype(np.float64)
        size = float(np.linalg.norm(rows))
        found = np.exp(-2j * np.pi * np.outer(k, at) / m) @ rows
        erased = np.concatenate([np.setdiff1d(np.arange(m), at), at[~honest]])
        for i in erased:  # sum_k z_i^k x_i disappears from syndrome(k + 1) - z_i syndrome(k)
            found = found[1:] - np.conj(omega[i]) * found[:-1]
        rounding = ROUNDING * float(np.finfo(messages.dtype).eps)
        return found, rounding * size * 2.0 ** len(erased)


def _locate(
    syndrome: Any, most: int, nodes: Any, honest: NDArray[np.bool_], noise: float
) -> NDArray[np.intp] | None:
    """Rows that lie, the largest lies first; none where all is well, None where too many lie."""
    if np.linalg.norm(syndrome) <= noise:
        return np.empty(0, dtype=np.intp)
    if most <= 0:
        return None
    K = len(syndrome)
    windows = [syndrome[t : t + K - most] for t in range(most + 1)]
    gram = np.array([[np.vdot(a, b) for b in windows] for a in windows])
    eigenvalues, vectors = np.linalg.eigh(gram)
    rank = int((eigenvalues > max(RANK * eigenvalues[-1], noise**2)).sum())
    rank = min(max(rank, 1), most)
    null = vectors[:, : most + 1 - rank]
    # A syndrome of one liar is a geometric sequence in conj(omega^i).
    powers = np.conj(nodes)[:, None] ** np.arange(most + 1)
    missed = np.linalg.norm(powers @ null, axis=1)
    missed[~honest] = np.inf
    return np.argsort(missed, kind="stable")[:rank]


@lru_cache(maxsize=16)
def _circulant(code: Cyclic, m: int) -> Vector:
    h = np.atleast_1d(np.poly(np.exp(2j * np.pi * code.frequencies(m) / m))).real  # s = 0: 1
    h = h / h.sum()
    W = np.zeros((m, m))
    for t, value in enumerate(h):
        W[np.arange(m), (np.arange(m) + t) % m] += value
    W.setflags(write=False)
    return W


def _check(s: int) -> None:
    if s < 0:
        raise OptionError(f"a code corrects s >= 0 lies; got s={s}")
