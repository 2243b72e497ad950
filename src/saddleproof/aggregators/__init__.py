"""Robust rules (GradAGG, Definition 3): from m messages, b of them perhaps lies, to one vector."""

from saddleproof.aggregators.base import Aggregator, Estimate
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.trimmed_mean import TrimmedMean

__all__ = ["Aggregator", "Estimate", "Mean", "Median", "TrimmedMean"]
