"""Who holds which rows: data split among m workers, evenly or unevenly, alike or unlike.

    iid                 alike: rows at random
    gamma_similarity    a share gamma of the rows at random, the rest sorted by label
    extreme             sorted by label: gamma = 0
    dirichlet           each label split by random shares; the smaller alpha, the more unlike
    per_label           at most k labels a worker
    by_quantity         rows at random, shards of unequal size

Each returns a list of m index arrays which together hold every row once, each in ascending order.
They fit whatever is indexed by rows:

>>> import numpy as np
>>> X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])
>>> parts = extreme(y, workers=2)
>>> [part.tolist() for part in parts]
[[0, 2, 5], [1, 3, 4]]
>>> shards = [(X[part], y[part]) for part in parts]              # for `Problem(loss, shards)`

and, for a data set of PyTorch, `[torch.utils.data.Subset(data, part.tolist()) for part in parts]`
with `labels=data.targets`.

No worker is left without rows: where the draw leaves one with none, the largest shards give one row
each. `empty=True` leaves the draw as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saddleproof import arguments
from saddleproof.arguments import Seed
from saddleproof.errors import OptionError
from saddleproof.problems.dealing import (
    Indices,
    by_shares,
    drawn,
    even,
    generator,
    labels_of,
    rows_of,
    shards_of,
)

__all__ = ["by_quantity", "dirichlet", "extreme", "gamma_similarity", "iid", "per_label"]


def iid(data: object, workers: int, *, seed: Seed = None, empty: bool = False) -> list[Indices]:
    """Rows at random, in shards whose sizes differ by one at most.

    Args:
        data: (n,) labels, or n, the number of rows.
        workers: m, at least 1.
        seed: of the draw; None draws a fresh one.
        empty: whether workers may be left without rows.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or n < m without `empty`.

    >>> [len(part) for part in iid(10, 4, seed=0)]
    [3, 3, 2, 2]
    """
    n, m = rows_of(data, workers, empty), workers
    return shards_of(np.split(generator(seed).permutation(n), np.cumsum(even(n, m))[:-1]), empty)


def gamma_similarity(
    labels: object, workers: int, gamma: float, *, seed: Seed = None, empty: bool = False
) -> list[Indices]:
    """A share gamma of the rows at random, the rest sorted by label and dealt in blocks.

    Every worker gets the same number of rows, give or take one, and floor(gamma n) of all rows are
    dealt at random, evenly too. gamma = 1 is `iid`, gamma = 0 is `extreme`. Among the sorted rows,
    those of one label are in random order.

    Source: the "s % similarity" of Karimireddy, Kale, Mohri, Reddi, Stich, Suresh (SCAFFOLD, ICML
    2020), known to ByzFL as `gamma_similarity_niid`.

    Args:
        labels: (n,) labels.
        workers: m, at least 1.
        gamma: in [0, 1].
        seed: of the draw; None draws a fresh one.
        empty: whether workers may be left without rows.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or n < m without `empty`.

    >>> [part.tolist() for part in gamma_similarity([1, 1, 0, 0], 2, 0.0)]
    [[2, 3], [0, 1]]
    """
    of = labels_of(labels)
    n = rows_of(of, workers, empty)
    if not 0 <= arguments.real("gamma", gamma) <= 1:
        raise OptionError(f"gamma is a share of the rows, in [0, 1]; got {gamma!r}")
    order = generator(seed).permutation(n)
    alike = int(np.floor(gamma * n + 1e-9))
    sizes, at_random = even(n, workers), even(alike, workers)
    rest = order[alike:]
    by_label = rest[np.argsort(of[rest], kind="stable")]
    mixed = np.split(order[:alike], np.cumsum(at_random)[:-1])
    blocks = np.split(by_label, np.cumsum(sizes - at_random)[:-1])
    return shards_of([np.concatenate(two) for two in zip(mixed, blocks, strict=True)], empty)


def extreme(labels: object, workers: int, *, empty: bool = False) -> list[Indices]:
    """Rows sorted by label, dealt in blocks of one size, give or take one; nothing is drawn.

    Args:
        labels: (n,) labels; rows of one label stay in their order.
        workers: m, at least 1.
        empty: whether workers may be left without rows.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or n < m without `empty`.
    """
    of = labels_of(labels)
    n = rows_of(of, workers, empty)
    order = np.argsort(of, kind="stable")
    return shards_of(np.split(order, np.cumsum(even(n, workers))[:-1]), empty)


def dirichlet(
    labels: object, workers: int, alpha: float, *, seed: Seed = None, empty: bool = False
) -> list[Indices]:
    """The rows of each label, split among the workers by shares from a Dirichlet distribution.

    For each label the shares (p_1, ..., p_m) are drawn from Dirichlet(alpha, ..., alpha), and
    worker i gets the rows from place floor((p_1 + ... + p_{i-1}) n') to floor((p_1 + ... + p_i) n')
    of the n' rows of the label, in random order. Small alpha gives most of a label to few workers;
    large alpha splits it evenly. Shards differ in size too.

    Source: the split of Hsu, Qi, Brown (2019) as most libraries have it: shares per label, where
    the paper draws a mixture of labels per worker.

    Args:
        labels: (n,) labels.
        workers: m, at least 1.
        alpha: > 0 and finite; .1 is very unlike, 100 nearly alike.
        seed: of the draw; None draws a fresh one.
        empty: whether workers may be left without rows.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or n < m without `empty`.
    """
    of = labels_of(labels)
    rows_of(of, workers, empty)
    arguments.real("alpha", alpha, above=0)
    rng = generator(seed)
    parts: list[list[Indices]] = [[] for _ in range(workers)]
    for label in np.unique(of):
        rows = rng.permutation(np.flatnonzero(of == label))
        for part, dealt in zip(parts, by_shares(rows, drawn(rng, alpha, workers)), strict=True):
            part.append(dealt)
    return shards_of([np.concatenate(part) for part in parts], empty)


def per_label(
    labels: object, workers: int, k: int = 1, *, seed: Seed = None, empty: bool = False
) -> list[Indices]:
    """Every worker holds rows of k labels; those of one label are shared evenly by its holders.

    The labels, in random order, are dealt in turn: worker i gets the labels i k, ..., i k + k - 1
    of that order, which starts anew after the last. So each label has floor or ceil(m k / labels)
    holders.

    Args:
        labels: (n,) labels.
        workers: m, at least 1.
        k: labels of each worker, from 1 to the number of labels; m k must reach that number.
        seed: of the draw; None draws a fresh one.
        empty: whether workers may be left without rows; without it, a label with fewer rows than
            holders is refused, for a row of another label would break the promise.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or the labels cannot be dealt so.

    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> sorted(sorted(set(y[part].tolist())) for part in per_label(y, 4, seed=0))
    [[0], [0], [1], [1]]
    """
    of = labels_of(labels)
    rows_of(of, workers, empty)
    arguments.whole("k", k, least=1)
    rng = generator(seed)
    names = rng.permutation(np.unique(of))
    if not k <= len(names) <= workers * k:
        raise OptionError(
            f"per_label gives each of m={workers} workers k={k} of {len(names)} labels: it needs "
            f"k <= {len(names)} <= m k. Take another k, or more workers"
        )
    dealt = np.arange(workers * k) % len(names)
    parts: list[list[Indices]] = [[] for _ in range(workers)]
    for i, name in enumerate(names):
        holders = np.flatnonzero(dealt == i) // k
        rows = rng.permutation(np.flatnonzero(of == name))
        if len(rows) < len(holders) and not empty:
            raise OptionError(
                f"label {name!r} has {len(rows)} rows for {len(holders)} holders. Take a smaller "
                "k, fewer workers, or empty=True"
            )
        for holder, share in zip(holders, np.array_split(rows, len(holders)), strict=True):
            parts[holder].append(share)
    return [np.sort(np.concatenate(part)) for part in parts]


def by_quantity(
    data: object,
    workers: int,
    *,
    alpha: float = 1.0,
    shares: Sequence[float] | None = None,
    seed: Seed = None,
    empty: bool = False,
) -> list[Indices]:
    """Rows at random, in shards of unequal size.

    Args:
        data: (n,) labels, or n, the number of rows.
        workers: m, at least 1.
        alpha: > 0; sizes are drawn in proportion to Dirichlet(alpha, ..., alpha).
        shares: (m,) positive numbers to which the sizes are in proportion, rounded down or up, in
            the place of a draw.
        seed: of the draw; None draws a fresh one.
        empty: whether workers may be left without rows.

    Returns:
        m arrays of row indices, a partition of 0..n-1.

    Raises:
        OptionError: an argument is out of its range, or n < m without `empty`.

    >>> [len(part) for part in by_quantity(10, 3, shares=[1, 1, 3], seed=0)]
    [2, 2, 6]
    """
    n = rows_of(data, workers, empty)
    rng = generator(seed)
    if shares is None:
        given = drawn(rng, arguments.real("alpha", alpha, above=0), workers)
    else:
        given = np.array([arguments.real("shares", share, above=0) for share in shares])
        if len(given) != workers:
            raise OptionError(f"shares must hold one number for each of m={workers} workers; got "
                              f"{len(given)}")  # fmt: skip
    return shards_of(by_shares(rng.permutation(n), given / given.sum()), empty)
