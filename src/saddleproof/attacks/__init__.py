"""Ways to lie: an `Attack` is one, and a `Coalition` is a fleet whose members use it."""

from saddleproof.attacks.a_little_is_enough import ALittleIsEnough
from saddleproof.attacks.base import AnswerView, Attack, AttackView, Coalition
from saddleproof.attacks.bias import Bias
from saddleproof.attacks.bit_flip import BitFlip
from saddleproof.attacks.burst import Burst
from saddleproof.attacks.delayed import Delayed
from saddleproof.attacks.drive import Drive
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
from saddleproof.attacks.vote import Vote

__all__ = [
    "ALittleIsEnough",
    "AnswerView",
    "Attack",
    "AttackView",
    "Bias",
    "BitFlip",
    "Burst",
    "Coalition",
    "Delayed",
    "Drive",
    "Gaussian",
    "InexactOracle",
    "InnerProduct",
    "LabelFlip",
    "LearnedMimic",
    "LyingAnswers",
    "Malformed",
    "Mimic",
    "MinMax",
    "MinSum",
    "NonFinite",
    "Omniscient",
    "OptimisedScale",
    "Playbook",
    "RandomLabel",
    "SaddleAttack",
    "SignFlip",
    "Vote",
]
