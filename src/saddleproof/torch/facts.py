"""What is known about a module before the first round."""

from __future__ import annotations

from dataclasses import dataclass

#: How second derivatives are taken: by vmap over the workers, by a loop, or not at all.
TOGETHER, APART, NEVER = "together", "apart", ""


@dataclass(frozen=True)
class Facts:
    """What `saddleproof.torch.probe` finds out about a module, once.

    Attributes:
        activations: numbers that a forward pass makes for each row.
        random: whether the module draws random numbers, as dropout does.
        writes: whether a forward pass writes into its inputs; it is then given copies.
        narrow: floating-point types that a forward pass rounds wider numbers to; empty if none.
        looped: why vmap is not used; empty when it is.
        valued: whether vmap gives the values of all workers.
        pooled: whether one pass over all workers' rows gives the same at one point, sooner.
        second: how second derivatives are taken: `TOGETHER`, `APART` or `NEVER`.
    """

    activations: int = 0
    random: bool = False
    writes: bool = False
    narrow: str = ""
    looped: str = ""
    valued: bool = False
    pooled: bool = False
    second: str = APART
