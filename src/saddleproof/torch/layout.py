"""A module's trainable parameters as one message, and back: w in R^d and its named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Layout:
    """Where each trainable parameter stands in the message.

    Parameters with requires_grad=False are no part of it: they stay as they are, like buffers.
    Tied parameters stand there once.

    Attributes:
        names: of the parameters, in the module's own order.
        shapes: of each.
        dtype: of all of them, float32 or float64.
        device: of all of them.
        places: every place of the module where such a parameter stands, and which one it is.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype
    device: torch.device
    places: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, module: nn.Module) -> Layout:
        """The layout of a module's trainable parameters.

        Raises:
            OptionError: none are trainable, or they differ in dtype or device, or are neither
                float32 nor float64.
        """
        trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not trainable:
            raise OptionError(f"{type(module).__name__} has no parameter with requires_grad=True")
        dtypes = {p.dtype for p in trainable.values()}
        devices = {p.device for p in trainable.values()}
        if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
            found = ", ".join(sorted(map(str, dtypes)))
            raise OptionError(
                f"the parameters must all be float32, or all float64; got {found}. "
                "Convert them openly: module.float()"
            )
        if len(devices) > 1:
            found = ", ".join(sorted(map(str, devices)))
            raise OptionError(f"the parameters must be on one device; got {found}")
        shapes = tuple(tuple(p.shape) for p in trainable.values())
        return cls(tuple(trainable), shapes, dtypes.pop(), devices.pop(), _places(module))

    @property
    def sizes(self) -> list[int]:
        """Numbers in each parameter."""
        return [prod(shape) for shape in self.shapes]

    @property
    def d(self) -> int:
        """Numbers in the message."""
        return sum(self.sizes)

    def tree(self, w: Tensor) -> dict[str, Tensor]:
        """(d,) to the named parameters, as views."""
        parts = w.split_with_sizes(self.sizes)
        named = zip(self.names, parts, self.shapes, strict=True)
        return {name: part.view(shape) for name, part, shape in named}

    def placed(self, tree: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The named parameters in all their places, as `torch.func.functional_call` wants them.

        A layer that stands in two places has one place here: `functional_call` would put its
        parameters there twice, and leave the second of them behind.
        """
        return {place: tree[name] for place, name in self.places}

    def flat(self, tree: Mapping[str, Tensor]) -> Tensor:
        """The named parameters to (d,)."""
        return torch.cat([tree[name].detach().reshape(-1) for name in self.names])


def _places(module: nn.Module) -> tuple[tuple[str, str], ...]:
    canonical = {id(p): name for name, p in module.named_parameters() if p.requires_grad}
    return tuple(
        (f"{prefix}.{own}" if prefix else own, canonical[id(p)])
        for prefix, layer in module.named_modules()
        for own, p in layer.named_parameters(recurse=False, remove_duplicate=False)
        if p.requires_grad
    )
