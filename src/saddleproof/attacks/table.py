"""Names of the attacks, for configuration files and the command line only.

Each is built from its options alone. An attack that needs to know the problem reads it from the
view: `SaddleAttack()` without a saddle takes the problem's own.
"""

from __future__ import annotations

from saddleproof.attacks.a_little_is_enough import ALittleIsEnough
from saddleproof.attacks.base import Attack
from saddleproof.attacks.bit_flip import BitFlip
from saddleproof.attacks.burst import Burst
from saddleproof.attacks.constant_offset import ConstantOffset
from saddleproof.attacks.constant_pull import ConstantPull
from saddleproof.attacks.delayed import Delayed
from saddleproof.attacks.gaussian import Gaussian
from saddleproof.attacks.inexact_oracle import InexactOracle
from saddleproof.attacks.inner_product import InnerProduct
from saddleproof.attacks.labels import LabelFlip, RandomLabel
from saddleproof.attacks.learned_mimic import LearnedMimic
from saddleproof.attacks.lying_answers import LyingAnswers
from saddleproof.attacks.malformed import Malformed
from saddleproof.attacks.mimic import Mimic
from saddleproof.attacks.min_max import MinMax
from saddleproof.attacks.min_sum import MinSum
from saddleproof.attacks.non_finite import NonFinite
from saddleproof.attacks.omniscient import Omniscient
from saddleproof.attacks.optimised_scale import OptimisedScale
from saddleproof.attacks.playbook import Playbook
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.attacks.sign_flip import SignFlip
from saddleproof.attacks.steering import SteerJudge
from saddleproof.attacks.vote import Vote

ATTACKS: dict[str, type[Attack]] = {
    "a_little_is_enough": ALittleIsEnough,
    "bit_flip": BitFlip,
    "burst": Burst,
    "constant_offset": ConstantOffset,
    "constant_pull": ConstantPull,
    "delayed": Delayed,
    "gaussian": Gaussian,
    "inexact_oracle": InexactOracle,
    "inner_product": InnerProduct,
    "label_flip": LabelFlip,
    "learned_mimic": LearnedMimic,
    "lying_answers": LyingAnswers,
    "malformed": Malformed,
    "mimic": Mimic,
    "min_max": MinMax,
    "min_sum": MinSum,
    "non_finite": NonFinite,
    "omniscient": Omniscient,
    "optimised_scale": OptimisedScale,
    "playbook": Playbook,
    "random_label": RandomLabel,
    "saddle": SaddleAttack,
    "sign_flip": SignFlip,
    "steer_judge": SteerJudge,
    "vote": Vote,
}
