"""Ways to lie: an `Attack` is one, and a `Coalition` is a fleet whose members use it."""

from saddleproof.attacks.base import Attack, AttackView, Coalition
from saddleproof.attacks.gaussian import Gaussian
from saddleproof.attacks.malformed import Malformed
from saddleproof.attacks.non_finite import NonFinite
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.attacks.sign_flip import SignFlip

__all__ = [
    "Attack",
    "AttackView",
    "Coalition",
    "Gaussian",
    "Malformed",
    "NonFinite",
    "SaddleAttack",
    "SignFlip",
]
