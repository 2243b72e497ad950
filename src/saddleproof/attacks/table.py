"""Names of the attacks, for configuration files and the command line only.

Each is built from its options alone. An attack that needs to know the problem reads it from the
view: `SaddleAttack()` without a saddle takes the problem's own.
"""

from __future__ import annotations

from saddleproof.attacks.base import Attack
from saddleproof.attacks.gaussian import Gaussian
from saddleproof.attacks.malformed import Malformed
from saddleproof.attacks.non_finite import NonFinite
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.attacks.sign_flip import SignFlip

ATTACKS: dict[str, type[Attack]] = {
    "gaussian": Gaussian,
    "malformed": Malformed,
    "non_finite": NonFinite,
    "saddle": SaddleAttack,
    "sign_flip": SignFlip,
}
