"""Names of the rules, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.aggregators.base import Rule
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.trimmed_mean import TrimmedMean

AGGREGATORS: dict[str, type[Rule]] = {
    "mean": Mean,
    "median": Median,
    "trimmed_mean": TrimmedMean,
}
