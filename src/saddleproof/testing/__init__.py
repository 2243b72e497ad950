"""Conformance suites: what every member of a family must do, published for your own members.

    from saddleproof.testing import check_aggregator
    check_aggregator(MyRule())          # an AssertionError names the claim that does not hold

Each suite is a list of small claims. Nothing here is needed at run time.
"""

from saddleproof.testing.aggregators import check_aggregator
from saddleproof.testing.attacks import check_attack
from saddleproof.testing.claims import QuarticSaddle
from saddleproof.testing.fleets import check_fleet
from saddleproof.testing.memory import check_memory
from saddleproof.testing.optimizers import check_optimizer
from saddleproof.testing.problems import check_problem
from saddleproof.testing.resilience import check_resilience
from saddleproof.testing.scales import check_scales

__all__ = [
    "QuarticSaddle",
    "check_aggregator",
    "check_attack",
    "check_fleet",
    "check_memory",
    "check_optimizer",
    "check_problem",
    "check_resilience",
    "check_scales",
]
