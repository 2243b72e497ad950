from .a_little_is_enough import ALittleIsEnough
from .base import AnswerView, Attack, AttackView, Coalition
from .bit_flip import BitFlip
from .burst import Burst
from .constant_offset import ConstantOffset
from .constant_pull import ConstantPull
from .delayed import Delayed
from .gaussian import Gaussian
from .inexact_oracle import InexactOracle
from .inner_product import InnerProduct
from .labels import LabelFlip, RandomLabel
from .learned_mimic import LearnedMimic
from .lying_answers import LyingAnswers
from .malformed import Malformed
from .mimic import Mimic
from .min_max import MinMax
from .min_sum import MinSum
from .non_finite import NonFinite
from .omniscient import Omniscient
from .optimised_scale import OptimisedScale
from .playbook import Playbook
from .saddle import SaddleAttack
from .sign_flip import SignFlip
from .steering import SteerJudge
from .vote import Vote

__all__ = [
    "ALittleIsEnough",
    "AnswerView",
    "Attack",
    "AttackView",
    "BitFlip",
    "Burst",
    "Coalition",
    "ConstantOffset",
    "ConstantPull",
    "Delayed",
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
    "SteerJudge",
    "Vote",
]
