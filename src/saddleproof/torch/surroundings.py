"""What must not depend on the caller: gradient mode, autocast, random numbers and threads.

`functional_call` puts other tensors in the place of a module's parameters for the time of a call.
Two threads would see each other's tensors, so every call holds the lock of its module.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
#: Copy to the user's own module.
_ORIGINALS: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()
#: For the tables above, and for switches and generators that are the whole process's.
_PROCESS = threading.RLock()


def lock_of(module: nn.Module) -> Any:
    """The lock that a call of this module holds, or of another copy of the same module.

    Both may write into what a hook or a loss closes over.
    """
    with _PROCESS:
        return _LOCKS.setdefault(original_of(module), threading.RLock())


def original_of(module: nn.Module) -> nn.Module:
    """The user's module that this one is a copy of; itself where it is none."""
    with _PROCESS:
        return _ORIGINALS.get(module, module)


def note_copy(module: nn.Module, copied: nn.Module) -> None:
    """Remember what a copy was made from."""
    with _PROCESS:
        _ORIGINALS[copied] = original_of(module)


@contextmanager
def plainly(device: torch.device | None = None) -> Iterator[None]:
    """Gradients on, inference mode off, autocast off: as if nobody had set anything."""
    with torch.inference_mode(False), torch.enable_grad():
        if device is None:
            yield
            return
        with torch.autocast(device.type, enabled=False):
            yield


class Drawing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Random operations inside draw from generators of this object's own.

    The generators of the process stay as they are. An operation that takes no generator borrows
    the process's for that one call and gives it back.

    Args:
        seed: of the draws.

    Attributes:
        draws: random operations so far.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.draws = 0
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """One operation."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags or _keeps_all(func, args, kwargs):
            return func(*args, **kwargs)
        self.draws += 1
        device = _device(args, kwargs)
        own = self._generators.get(device)
        if own is None:
            own = torch.Generator(device)
            own.manual_seed(self._seed % 2**63)
            self._generators[device] = own
        if any(argument.name == "generator" for argument in _arguments(func)):
            return func(*args, **{**kwargs, "generator": own})
        seed = int(torch.randint(2**62, (), generator=own, device=device))
        with _PROCESS, torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            return func(*args, **kwargs)


def _arguments(func: Any) -> Any:
    return func._schema.arguments  # noqa: SLF001  # PyTorch has no public name for it


def _keeps_all(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether this is a dropout, an attention or a recurrent layer that drops nothing."""
    for i, argument in enumerate(_arguments(func)):
        if argument.name in ("dropout_p", "dropout", "train"):
            given = args[i] if i < len(args) else kwargs.get(argument.name, argument.default_value)
            if given is not None and not given:
                return True
    return False


def _device(args: Any, kwargs: dict[str, Any]) -> torch.device:
    given = next((x.device for x in args if isinstance(x, Tensor)), kwargs.get("device"))
    return torch.device("cpu") if given is None else torch.device(given)


@contextmanager
def drawing(seed: int | None) -> Iterator[Drawing | None]:
    """Draws inside come from `seed`; None leaves them to the process's generator."""
    if seed is None:
        yield None
        return
    with Drawing(seed) as mode:
        yield mode


class _Apart(TorchFunctionMode):
    """Two layers in steps, where PyTorch (2.13) has wrong second derivatives of the whole.

    A layer norm with weights, from outside of a vmap over the weights; and `weight_norm`.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """One function."""
        if func in (layer_norm, torch.layer_norm):
            return _layer_norm(*args, **(kwargs or {}))
        if func is torch._weight_norm:  # noqa: SLF001  # what `weight_norm` calls
            return _weight_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _layer_norm(
    input: Tensor,  # noqa: A002  # PyTorch's name
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
    **__: Any,
) -> Tensor:
    out = layer_norm(input, normalized_shape, None, None, eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    others = [k for k in range(v.ndim) if dim == -1 or k != dim % v.ndim]
    norm = v.square().sum(others, keepdim=True).sqrt() if others else v.abs()
    return v * (g / norm)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Layers inside are computed in steps that have second derivatives, attention among them."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        steps: AbstractContextManager[Any] = sdpa_kernel(SDPBackend.MATH)
    except ImportError:  # PyTorch 2.2
        steps = nullcontext()
    with _PROCESS, steps, _Apart():
        yield


@contextmanager
def quietly() -> Iterator[None]:
    """Without PyTorch's remark that it loops over a layer."""
    with warnings.catch_warnings():
        # Some layers have no batching rule: torch loops inside, which is slower, not wrong.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield
