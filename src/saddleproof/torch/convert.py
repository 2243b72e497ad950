"""Layers that average over the rows of a batch, exchanged: GroupNorm for BatchNorm.

BatchNorm keeps running averages of the rows that pass, a second way from the workers to the model
that no rule of aggregation guards. GroupNorm (Wu and He, ECCV 2018) normalises every row by itself.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.modules.lazy import LazyModuleMixin

from saddleproof.errors import OptionError
from saddleproof.torch.copies import pristine
from saddleproof.torch.modules import check_module
from saddleproof.torch.surroundings import plainly

#: The most groups (Wu and He's default), and the fewest channels in one, where there are as many.
GROUPS, CHANNELS = 32, 4


def convert(module: nn.Module) -> nn.Module:
    """A copy of a module that `fit` takes: GroupNorm in the place of every BatchNorm.

    Weight, bias and eps of a BatchNorm are carried over, with their dtype, device and
    requires_grad. Its running averages are not: they have no meaning for GroupNorm. So **the copy
    is another function**: a layer normalises each row over groups of its channels and over space,
    where BatchNorm normalised each channel over the rows. Train it, or train it further, before it
    is used; the same goes for layers in eval mode. The groups are the largest number that divides
    the channels, is at most 32 and leaves 4 channels or more in each; below 8 channels there is one
    group.

    `InstanceNorm` with `track_running_stats=True` becomes one without, which is the same in train
    mode; in eval mode it no longer uses the averages.

    Args:
        module: any nn.Module; not changed. Spectral norm is not converted.

    Returns:
        A copy, with hooks and all else as it was; the module itself may be a BatchNorm.

    Raises:
        OptionError: a BatchNorm with one channel, whose rows may be one number each, or a lazy one.

    >>> made = convert(nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)))
    >>> made[1].num_groups, made[1].num_channels
    (4, 16)
    """
    check_module(module)
    copied = pristine(module)
    made: dict[nn.Module, nn.Module] = {}
    with plainly():
        if _has_averages(copied):
            return _exchanged("", copied)
        for path, layer in list(copied.named_modules(remove_duplicate=False)):
            if _has_averages(layer):
                if layer not in made:
                    made[layer] = _exchanged(path, layer)
                outer, _, name = path.rpartition(".")
                setattr(copied.get_submodule(outer), name, made[layer])
    return copied


def groups_of(channels: int) -> int:
    """The number of groups.

    >>> [groups_of(n) for n in (1, 6, 8, 30, 64, 100, 256, 7)]
    [1, 1, 2, 6, 16, 25, 32, 1]
    """
    fits = [g for g in range(1, GROUPS + 1) if channels % g == 0 and channels // g >= CHANNELS]
    return max(fits, default=1)


def _has_averages(layer: nn.Module) -> bool:
    return isinstance(layer, (_BatchNorm, _InstanceNorm)) and layer.track_running_stats


def _exchanged(name: str, layer: nn.Module) -> nn.Module:
    if isinstance(layer, _InstanceNorm):
        layer.track_running_stats = False
        for buffer in ("running_mean", "running_var", "num_batches_tracked"):
            layer.register_buffer(buffer, None)
        return layer
    if not isinstance(layer, _BatchNorm):
        raise TypeError(type(layer).__name__)
    what = f"layer {name!r} ({type(layer).__name__})" if name else type(layer).__name__
    if isinstance(layer, LazyModuleMixin):
        raise OptionError(f"{what} is lazy; call the module once on a few rows, then convert it")
    if layer.num_features < 2:
        raise OptionError(
            f"{what} has one channel, and a group of one number is always zero; leave the layer out"
        )
    found = nn.GroupNorm(
        groups_of(layer.num_features), layer.num_features, eps=layer.eps, affine=layer.affine
    )
    if layer.affine:
        found.weight, found.bias = layer.weight, layer.bias
    return found.train(layer.training)
