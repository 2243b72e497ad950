"""What the options of a training change in what is promised, a sentence each.

The certificate is asked for at the trained model, from the workers' own losses, so it holds however
the model was trained. What holds during a training is another matter, and has to be said.
"""

from __future__ import annotations

from saddleproof.torch.optim import TorchStep
from saddleproof.torch.sampling import Sample
from saddleproof.torch.server_steps import ServerStep

#: Beside the assumptions of a certificate after a training with weights.
ALIKE = "every worker counts alike in F here, whatever its weight was in training"


def restated(
    *, server: ServerStep | None, local_steps: int, sample: Sample | None, weighed: bool,
    m: int, b: int, rounds: int,
) -> tuple[str, ...]:  # fmt: skip
    """The sentences of a training.

    Args:
        server: what was done with the aggregates.
        local_steps: of every worker in a round.
        sample: the workers of a round; None for all.
        weighed: whether messages counted by weights.
        m: workers.
        b: the most liars among them.
        rounds: of gradients.
    """
    said = []
    if server is not None:
        said.append(
            f"{called(server)} makes the steps: the inexactness bounds the error of an aggregate, "
            "and not of a step"
        )
    if local_steps > 1:
        said.append(
            f"a message is the mean gradient of {local_steps} local steps: the inexactness is about"
            " the mean of the honest messages, which with unequal data need not vanish where the "
            "gradient of F does"
        )
    if sample is not None:
        said.append(_of_sample(sample, m, b, rounds))
    if weighed:
        said.append(
            "messages counted by weights, capped so that no b workers hold a third of them (half "
            "where b >= m/3); nobody checks a count of rows, it is the worker's own word. Tests, "
            "jumps and the certificate are about the mean in which every worker counts alike"
        )
    if said:
        said.append("tests of the loss, jumps and the certificate ask all workers about their loss")
    return tuple(said)


def _of_sample(sample: Sample, m: int, b: int, rounds: int) -> str:
    asked = (
        f"a round of gradients asks {sample.size} of {m} workers, and its inexactness is about the "
        "honest ones among those"
    )
    if sample.b is None or sample.b >= min(b, sample.size):
        return f"{asked}; the rule holds {min(b, sample.size)} liars among them, in every round"
    risk = sample.risk(m, b)
    ever = 1.0 - (1.0 - risk) ** rounds
    return (
        f"{asked}; the rule holds {sample.b} liars among them, and with {b} liars more come "
        f"together in a round with probability {risk:.2g}, and in one of {rounds} rounds with "
        f"probability {ever:.2g}. Nothing is promised of such a round, or of the model after it"
    )


def called(server: ServerStep) -> str:
    """The name of a server's step."""
    return "an optimizer of torch.optim" if isinstance(server, TorchStep) else type(server).__name__
