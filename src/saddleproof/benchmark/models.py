"""The models of the benchmark, each a function of the data's shape to a module of PyTorch.

    linear   multinomial logistic regression; on symbols one weight for each symbol at each place
    mlp      one hidden layer of ReLU units; on symbols behind an embedding, the character model of
             Bengio, Ducharme, Vincent, Jauvin (JMLR 2003)
    cnn      two convolutions of square images

A model of one's own is a function of (shape, classes), or of (shape, classes, symbols), that
returns an `nn.Module`; the parameters' random numbers come from PyTorch's generator.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from saddleproof.errors import OptionError

#: What the benchmark itself tells a model.
SUPPLIED = ("shape", "classes", "symbols")


class ByPlace(nn.Module):
    """A row of weights for each symbol at each place, summed: linear in the one-hot rows."""

    def __init__(self, places: int, symbols: int, classes: int) -> None:
        super().__init__()
        self.weights = nn.Embedding(places * symbols, classes)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("first", torch.arange(places) * symbols)

    def forward(self, rows: Any) -> Any:
        """(n, places) symbols to (n, classes)."""
        return self.weights(rows + self.first).sum(dim=1) + self.bias


def linear(shape: tuple[int, ...], classes: int, symbols: int = 0) -> nn.Module:
    """Logits linear in the features, or in which symbol stands where."""
    if symbols:
        return ByPlace(shape[0], symbols, classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))


def mlp(
    shape: tuple[int, ...], classes: int, symbols: int = 0, *, hidden: int = 32, embedding: int = 8
) -> nn.Module:
    """One hidden layer.

    Args:
        shape: of one row.
        classes: C.
        symbols: of which the rows are made; 0 for real features.
        hidden: units.
        embedding: numbers for a symbol; without symbols it says nothing.

    Raises:
        OptionError: a size below 1.
    """
    if hidden < 1 or embedding < 1:
        raise OptionError(
            f"mlp needs hidden >= 1 and embedding >= 1; got hidden={hidden}, embedding={embedding}"
        )
    inputs = math.prod(shape)
    before: list[nn.Module] = [nn.Flatten()]
    if symbols:
        inputs, before = inputs * embedding, [nn.Embedding(symbols, embedding), nn.Flatten()]
    return nn.Sequential(*before, nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def cnn(shape: tuple[int, ...], classes: int, symbols: int = 0, *, channels: int = 8) -> nn.Module:
    """Two convolutions of 3 x 3 with steps of two, and a linear layer.

    Args:
        shape: of one row: (p,) pixels of a square, or (side, side).
        classes: C.
        symbols: must be 0.
        channels: of the first convolution; the second has twice as many.

    Raises:
        OptionError: rows that are no square images of 4 x 4 pixels at least, or no channels.
    """
    side = math.isqrt(math.prod(shape))
    if symbols or len(shape) > 2 or side < 4 or side * side != math.prod(shape):
        raise OptionError(f"cnn needs square images, of 4 x 4 pixels at least; rows have {shape}")
    if len(shape) == 2 and shape[0] != side:
        raise OptionError(f"cnn needs square images; rows have {shape}")
    if channels < 1:
        raise OptionError(f"cnn needs channels >= 1; got {channels}")
    left = (((side - 1) // 2 + 1) - 1) // 2 + 1
    return nn.Sequential(
        nn.Flatten(),
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, channels, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * left * left, classes),
    )


#: Names of models, for configuration files.
MODELS = {"linear": linear, "mlp": mlp, "cnn": cnn}
