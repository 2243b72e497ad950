"""Whether two tensors are equal but for rounding."""

from __future__ import annotations

import torch
from torch import Tensor

#: Relative difference between two exact ways that is rounding, in units of the last place, and the
#: size below which all numbers are rounding.
ROUNDINGS, NOTHING = 1e4, 1e-6


def close(fast: Tensor, slow: Tensor) -> bool:
    """Equal but for rounding; a number that is none must be none in both."""
    unit = ROUNDINGS * torch.finfo(slow.dtype).eps
    known = torch.isfinite(slow)
    if not torch.equal(known, torch.isfinite(fast)):
        return False
    if not bool(known.any()):
        return True
    gap = float((fast - slow)[known].abs().max())
    return gap <= unit * max(float(slow[known].abs().max()), NOTHING)


def same(old: Tensor, new: Tensor) -> bool:
    """Equal, where NaN equals NaN."""
    return torch.equal(old, new) or torch.allclose(old, new, 0.0, 0.0, equal_nan=True)


def tells(x: Tensor) -> bool:
    """Whether some number is finite and not zero."""
    return bool((torch.isfinite(x) & (x != 0)).any())
