"""What is known about a module before the first round."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

#: How second derivatives are taken: by vmap over the workers, by a loop, or not at all.
TOGETHER, APART, NEVER = "together", "apart", ""
#: Layers that vmap turns into grouped convolutions, one group a worker, and the rows of a worker
#: from which a loop over the workers takes less time on a CPU.
CONVOLUTIONS, MANY = (nn.Conv1d, nn.Conv2d, nn.Conv3d), 64


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
        convolves: whether the module has a convolution.
        pooled: whether one pass over all workers' rows gives the same at one point, sooner.
        second: how second derivatives are taken: `TOGETHER`, `APART` or `NEVER`.
    """

    activations: int = 0
    random: bool = False
    writes: bool = False
    narrow: str = ""
    looped: str = ""
    valued: bool = False
    convolves: bool = False
    pooled: bool = False
    second: str = APART

    def loops(self, rows: Tensor) -> bool:
        """Whether gradients on (k, n, ...) rows of k workers are taken by a loop.

        Decided by the module and by n alone, so that a run can be replayed. Both ways give the same
        gradients up to rounding; where the module draws random numbers they would draw others.
        """
        many = rows.shape[1] >= MANY and rows.device.type == "cpu"
        return bool(self.looped) or (self.convolves and many and not self.random)
