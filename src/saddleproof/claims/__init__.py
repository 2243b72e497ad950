"""What may be said of a point, and why: claims that follow from the workers' answers alone.

`order` holds the bounds, `facts` what the workers said, `conclude` the strongest level that holds,
and `record` the certificate. Nothing here asks anybody anything.
"""

from saddleproof.claims.conclude import Demands, conclude
from saddleproof.claims.facts import CurvatureFacts, GradientFacts, gradient_facts
from saddleproof.claims.record import Bracket, Certificate, failed

__all__ = [
    "Bracket",
    "Certificate",
    "CurvatureFacts",
    "Demands",
    "GradientFacts",
    "conclude",
    "failed",
    "gradient_facts",
]
