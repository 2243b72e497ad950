"""What operations do beside their results: what they write into, and where they round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the tensors that operations inside write into, also through views and `.data`.

    By the operations and not by the numbers: ReLU(inplace=True) changes no positive input, and a
    running mean of zeros stays zero. NumPy's writes to the same memory are not seen.

    Args:
        tensors: name to tensor.

    Attributes:
        written: the names of those that were written into.
        narrow: floating-point types that wider numbers were rounded to.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.written: set[str] = set()
        self.narrow: set[torch.dtype] = set()
        self._names: dict[Any, list[str]] = {}
        for name, x in tensors.items():
            self._names.setdefault(_memory(x), []).append(name)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """One operation."""
        kwargs = kwargs or {}
        schema = func._schema  # noqa: SLF001  # PyTorch has no public name for it
        if schema.is_mutable:
            for i, argument in enumerate(schema.arguments):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    self._note(args[i] if i < len(args) else kwargs.get(argument.name))
        found = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default and _is_narrower(found, args[0]):  # noqa: SLF001
            self.narrow.add(found.dtype)
        return found

    def _note(self, given: Any) -> None:
        for x in given if isinstance(given, (list, tuple)) else (given,):
            if isinstance(x, Tensor):
                self.written |= set(self._names.get(_memory(x), ()))


def _is_narrower(found: Tensor, given: Tensor) -> bool:
    both = found.is_floating_point() and given.is_floating_point()
    return both and found.dtype.itemsize < given.dtype.itemsize


def _memory(x: Tensor) -> Any:
    """What tells one tensor's memory from another's; tensors without numbers share none."""
    if x.layout != torch.strided:
        return id(x)
    return x.device, x.untyped_storage().data_ptr() or id(x)
