"""Iterative filtering (Algorithm 2, Appendix F.1), in Gram space.

    iterative_filtering.py   the rule, and what it reports
    prune.py                 rows too far from the rest to be an original point leave at once
    reweighting.py           Algorithm 2: score, reweight, drop, stop; goes on without sigma
    as_printed.py            Algorithm 2 to the letter, for a sigma that is given
    rank_one.py              scores for U = v v^T, in closed form: the default
    saddle.py                scores for the maximizing U, to a certified gap: Algorithm 2 verbatim

The proofs are in docs/filtering.md.
"""

from saddleproof.aggregators.algorithm2.iterative_filtering import (
    FilterEstimate,
    IterativeFiltering,
)

__all__ = ["FilterEstimate", "IterativeFiltering"]
