"""Faulty ranks of a training cluster: a robust rule in the place of DistributedDataParallel's mean.

    model = DistributedDataParallel(model)
    model.register_comm_hook(None, sp.torch.ddp_hook(sp.Median(), b=1))

A gradient bucket of d numbers on n ranks goes two ways, each with (n - 1) d / n numbers a rank, as
in a ring all-reduce:

    all-to-all     rank j receives columns j d / n to (j + 1) d / n of every rank's gradient
    the rule       on these n rows
    all-gather     every rank receives all columns of the aggregate

**What it promises.** At most b ranks whose *gradients* are wrong (bit flips, overflow, a bad
device, wrong data) move no coordinate of the aggregate beyond what the rule allows: with `Median`,
b < n / 2, no coordinate leaves the range of the sound ranks' numbers.

**What it does not promise.** Each rank is trusted to send everybody what it has, and to aggregate
its columns. A rank that is malicious, or whose memory fails after the all-to-all, can set its own
d / n columns. Ranks that crash or hang stop the collective, as they do without the hook. For
machines that lie, train over `saddleproof.GrpcFleet`.
"""

import logging
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from saddleproof import arguments
from saddleproof.aggregators.base import check_breakdown
from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError

# DistributedDataParallel compares the hook's annotations with classes; they must be no strings.

LOG = logging.getLogger("saddleproof.ddp")
#: Distances beyond it, infinite ones too, count as this much, so that sums are finite.
BEYOND = 1e290
#: Everybody's equal parts into one tensor; PyTorch 2.13 has a new name for it.
_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


@dataclass(frozen=True)
class Window:
    """What one window of steps says of the ranks.

    Attributes:
        steps: how many optimizer steps it has.
        distances: (n,) every rank's squared distances from the aggregate, added up.
        non_finite: (n,) how many numbers of every rank were NaN or Inf.
        suspects: rank to reason. A reason is an observation, not a proof.
    """

    steps: int
    distances: Vector
    non_finite: Vector
    suspects: dict[int, str]


@dataclass
class _Sent:
    """A bucket on its way."""

    buffer: Tensor
    rows: Tensor
    work: dist.Work
    future: torch.futures.Future[Tensor]


@dataclass
class RobustHook:
    """The communication hook; `ddp_hook` makes it.

    Attributes:
        rule: a coordinate-wise rule.
        b: the most faulty ranks.
        group: the ranks; None is the default group.
        window: steps whose distances are added up before ranks are compared.
        excess: a rank is a suspect from this many times the median rank's sum on.
        last: the last window that is complete; None before.
    """

    rule: CoordinateWise
    b: int
    group: dist.ProcessGroup | None
    window: int
    excess: float
    last: Window | None = None
    _n: int = 0
    _steps: int = 0
    _sent: deque[_Sent] = field(default_factory=deque)
    #: (2, n): squared distances, and numbers that are not finite.
    _seen: Vector = field(default_factory=lambda: np.zeros((2, 0)))

    def __post_init__(self) -> None:
        self.__name__ = self.__qualname__ = "ddp_hook"  # DistributedDataParallel reads both

    def __call__(
        self,
        state: object,
        bucket: dist.GradBucket,  # type: ignore[name-defined]
    ) -> torch.futures.Future[torch.Tensor]:
        """Send one bucket, and finish the one before; with the last bucket finish all.

        All ranks make the same calls in the same order: buckets have one order everywhere.

        Args:
            state: unused; pass None.
            bucket: of DistributedDataParallel.

        Raises:
            BreakdownError: the rule cannot hold b of so many ranks.
            OptionError: the ranks differ in rule or b.
        """
        if not self._n:
            self._begin()
        self._sent.append(self._send(bucket.buffer()))
        future = self._sent[-1].future
        while len(self._sent) > (0 if bucket.is_last() else 1):
            self._finish(self._sent.popleft())
        if bucket.is_last():
            self._steps += 1
            if self._steps % self.window == 0:
                self._compare()
        return future

    def _begin(self) -> None:
        n = dist.get_world_size(self.group)
        check_breakdown(self.rule, n, self.b)
        mine = f"{self.rule!r}, b={self.b}, window={self.window}"
        told: list[str] = [""] * n
        dist.all_gather_object(told, mine, group=self.group)
        for rank, other in enumerate(told):
            if other != mine:
                raise OptionError(
                    f"all ranks need the same hook; this one has {mine}, rank {rank} has {other}"
                )
        self._n, self._seen = n, np.zeros((2, n))

    def _send(self, buffer: Tensor) -> _Sent:
        """Start the all-to-all of a (d,) buffer."""
        n, d = self._n, buffer.numel()
        width = -(-d // n)
        padded = buffer
        if d < n * width:
            padded = buffer.new_zeros(n * width)
            padded[:d] = buffer
        rows = torch.empty_like(padded)
        work = dist.all_to_all_single(rows, padded, group=self.group, async_op=True)
        devices: list[int | str | torch.device] = []
        if buffer.device.type != "cpu":
            devices.append(buffer.device)
        future: torch.futures.Future[Tensor] = torch.futures.Future(devices=devices)
        return _Sent(buffer, rows.view(n, width), work, future)

    def _finish(self, sent: _Sent) -> None:
        """Aggregate this rank's columns, and gather everybody's."""
        sent.work.wait()
        column: Tensor = self.rule(sent.rows, self.b).to(sent.rows)
        self._look(sent.rows, column)
        fits = sent.buffer.numel() == sent.rows.numel()
        whole = sent.buffer if fits else sent.buffer.new_empty(sent.rows.numel())
        _gather(whole, column.contiguous(), group=self.group)
        if not fits:
            sent.buffer.copy_(whole[: sent.buffer.numel()])
        sent.future.set_result(sent.buffer)

    def _look(self, rows: Tensor, column: Tensor) -> None:
        """Add up how far every rank's columns are from the aggregate."""
        norms = torch.linalg.vector_norm(rows - column, dim=1)
        if not bool(torch.isfinite(norms).all()):  # a number that is none, or a sum that overflows
            self._seen[1] += (~torch.isfinite(rows)).sum(dim=1).numpy(force=True)
            norms = torch.linalg.vector_norm(rows - column, dim=1, dtype=torch.float64)
        squares = norms.double().square().numpy(force=True)
        self._seen[0] += np.nan_to_num(squares, nan=BEYOND, posinf=BEYOND)

    def _compare(self) -> None:
        """Add up what all ranks saw in the window; every rank reads the same."""
        seen = torch.from_numpy(self._seen).clone()
        dist.all_reduce(seen, group=self.group)
        distances, broken = np.minimum(seen.numpy(), BEYOND)
        limit = self.excess * float(np.median(distances))
        suspects = {
            int(i): f"{int(broken[i])} numbers were NaN or Inf"
            if broken[i]
            else f"{distances[i] / np.median(distances):.3g} times the median rank's distance"
            for i in np.flatnonzero((distances > limit) | (broken > 0))
        }
        self.last = Window(self.window, distances, broken, suspects)
        self._seen = np.zeros((2, self._n))
        if suspects and dist.get_rank(self.group) == 0:
            LOG.warning("step %d: ranks that stand out: %s", self._steps, suspects)


def ddp_hook(
    rule: CoordinateWise,
    b: int,
    *,
    group: dist.ProcessGroup | None = None,
    window: int = 100,
    excess: float = 4.0,
) -> RobustHook:
    """A communication hook for `DistributedDataParallel`: see the top of `saddleproof.torch.ddp`.

    Args:
        rule: `Median`, `TrimmedMean`, `MeanAroundMedian` or `Mean`; other rules need whole rows.
        b: the most ranks whose gradients may be wrong; a count, not a share.
        group: the ranks, as given to `DistributedDataParallel`; None is the default group.
        window: steps after which the ranks' summed distances from the aggregate are compared, at
            least 1. The comparison costs an all-reduce of 2 n numbers.
        excess: a rank is named from this many times the median rank's sum on, more than 1. It is
            four times the usual squared distance, and twice the usual distance, unless given.
            Ranks whose data differ from the others' stand out too.

    Returns:
        The hook. Its `last` is the last complete `Window`, and names the suspects. Each rank needs
        a hook of its own; a hook serves one model.

    Raises:
        OptionError: another rule, or an argument out of range.
        BreakdownError: raised in the first backward pass, where the rule cannot hold b of n ranks.
    """
    arguments.aggregator("rule", rule)
    if not isinstance(rule, CoordinateWise):
        raise OptionError(
            f"{type(rule).__name__} needs whole rows, and a rank has columns only; take Median, "
            "TrimmedMean or MeanAroundMedian"
        )
    b = arguments.whole("b", b, least=0)
    window = arguments.whole("window", window, least=1)
    arguments.real("excess", excess, above=1)
    if rule.threads is None:  # as many as this rank's other work has
        rule = replace(rule, threads=torch.get_num_threads())
    return RobustHook(rule, b, group, window, float(excess))
