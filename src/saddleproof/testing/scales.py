"""What every aggregator must do with rows that are very long, very short or very far apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from saddleproof.aggregators.base import Aggregator, Estimate
from saddleproof.arrays import Vector
from saddleproof.testing.claims import holds

#: Powers of two by which the rows are multiplied. Squares leave float64 at 2^-537 and 2^512.
POWERS = (-1000, -600, -300, -40, 3, 300, 540, 1000)


def check_scales(
    rule: Aggregator,
    x: Vector,
    b: int,
    *,
    scaled: Callable[[int], Aggregator] | None = None,
    powers: tuple[int, ...] = POWERS,
) -> None:
    """Assert that rule(2^k x) = 2^k rule(x) to the bit, with the same rows and no warning.

    NumPy is told to raise wherever a number leaves its range, and warnings count as failures.
    `check_aggregator` calls this for an equivariant rule.

    Args:
        rule: the rule, with its options.
        x: (m, d) messages of about unit size; rows with NaN or Inf may be among them.
        b: the most Byzantine rows.
        scaled: for a rule with a length among its options: k to the rule whose length is 2^k times
            as large. None takes `rule` at every scale.
        powers: the k that are tried, -1000 to 1000.

    Raises:
        AssertionError: names the claim that does not hold, and k.

    >>> from saddleproof.aggregators import Median
    >>> check_scales(Median(), np.arange(10.0).reshape(5, 2), b=1)
    """
    one = _answer(rule, x, b, 0)
    for k in powers:
        found = _answer(rule if scaled is None else scaled(k), _times(x, k), b, k)
        expected = _times(one.vector, k)
        holds(
            np.array_equal(found.vector, expected, equal_nan=True),
            f"rows times 2^{k} must give the answer times 2^{k}: {found.vector}, not {expected}",
        )
        holds(np.array_equal(found.kept, one.kept), f"2^{k} must not change which rows are kept")
        known = found.inexactness is not None
        holds((one.inexactness is not None) == known, f"2^{k} must not hide the inexactness")
        if found.inexactness is not None:
            holds(
                np.array_equal(found.inexactness, _times(one.inexactness, k)),
                f"2^{k} must scale the inexactness, to the bit: {found.inexactness}",
            )


def _answer(rule: Aggregator, x: Vector, b: int, k: int) -> Estimate:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        try:
            found, alone = rule.estimate(x, b), rule(x, b)
        except (FloatingPointError, Warning) as error:
            raise AssertionError(f"at 2^{k} a rule must neither warn nor raise: {error}") from error
    holds(
        np.array_equal(found.vector, alone, equal_nan=True),
        f"estimate and call must agree to the bit at 2^{k}",
    )
    return found


def _times(x: Vector | float | None, k: int) -> Vector:
    scaled: Vector = np.ldexp(np.asarray(x), k)
    return scaled
