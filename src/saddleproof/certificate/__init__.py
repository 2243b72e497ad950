"""Definition 1, certified: a small gradient, no strongly negative curvature, and how sure we are.

`certify` asks the workers, `Certificate` is what it found, `hessian` holds the bounds; they are
derived in docs/hessian_certificate.md.
"""

from saddleproof.certificate.certify import certify
from saddleproof.certificate.hessian import Bracket
from saddleproof.certificate.record import Certificate

__all__ = ["Bracket", "Certificate", "certify"]
