"""Definition 1, certified: a small gradient, no strongly negative curvature, and how sure we are.

`certify` asks the workers; what follows from their answers stands in `saddleproof.claims`, and
docs/hessian_certificate.md derives it.
"""

from saddleproof.certificate.certify import certify, inspect
from saddleproof.certificate.options import Budget
from saddleproof.claims import Bracket, Certificate, Demands

__all__ = ["Bracket", "Budget", "Certificate", "Demands", "certify", "inspect"]
