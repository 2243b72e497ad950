"""Workers as Ray actors: for a cluster whose machines fail, not for parties that are hostile.

    fleet = sp.RayFleet(problem)                    # or ray.init("auto") before, to join a cluster
    result = sp.minimize(fleet, b=6, w0=problem.start)

Ray trusts the code of its workers: an answer is a pickle, and unpickling runs what its sender
wrote, in the server. A robust rule holds whatever a worker *computes*; against one who controls
the worker's machine use a fleet whose messages are bytes (`saddleproof.fleets.grpc`).
"""

from __future__ import annotations

import logging
import os
from typing import Any

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, MissingExtraError
from saddleproof.fleets.base import DEAD, LATE, OK, Announcement, Messages
from saddleproof.fleets.deadline import Deadline, Patience
from saddleproof.fleets.logs import log_messages
from saddleproof.fleets.worker import Worker, names_of, questions_of, workers_of
from saddleproof.questions import Gradients, Question

_log = logging.getLogger(__name__)

#: Questions of more bytes go through the object store, once for all workers.
INLINE = 100_000
#: Seconds for what `ray.wait` called ready; what takes longer went with its node.
_AT_HAND = 2.0


class RayFleet:
    """One Ray actor a worker, which holds its shard; one question at a time.

    A worker whose process dies is "dead" in that round; Ray starts it again with its shard, and it
    is "late" until it is back. A worker whose loss raises is "dead" in that round, and so is one
    whose answer was lost between two looks, as when its machine goes down. A straggler is
    asked again when its old answer, which nobody counts any more, is in.

    Args:
        problem: a `saddleproof.Problem` over shards; each actor gets the loss and its own shard.
            A benchmark problem that is no loss over shards goes to every actor whole.
        deadline: how long to wait, see `Deadline`.
        start_timeout: seconds that the actors may take to come up; slower ones are late.

    Attributes:
        questions: the kinds of question that the problem's workers answer.

    Raises:
        MissingExtraError: Ray is not installed.

    Unless `ray.init` was called before, Ray is started on this machine, without its dashboard and
    its usage statistics, and shut down again by `close`. An actor claims no processor for itself
    (num_cpus=0), so that there may be more workers than cores.

    Reference:
        Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018.
    """

    def __init__(
        self, problem: object, *, deadline: Deadline | None = None, start_timeout: float = 120.0
    ) -> None:
        self._ray = _ray()
        self._shut_down = _start(self._ray)
        self.problem = problem
        self.deadline = Deadline() if deadline is None else deadline
        self.questions = questions_of(problem)
        workers = workers_of(problem)
        self.workers = names_of(problem)
        self._patience = Patience(len(workers))
        self._b, self._losses, self._closed = 0, False, False
        self._busy: dict[Any, int] = {}  # answers to earlier rounds that are not in yet
        actor = self._ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(Worker)
        # Held for as long as the fleet is open: a restarted actor reads them again.
        losses = {id(w.loss): self._ray.put(w.loss) for w in workers}
        self._held = [(losses[id(w.loss)], self._ray.put(w.data), w.name) for w in workers]
        self._actors = [actor.remote(loss, data, name) for loss, data, name in self._held]
        awake = [actor.__ray_ready__.remote() for actor in self._actors]
        self._ray.wait(awake, num_returns=len(awake), timeout=start_timeout)

    def announce(self, announcement: Announcement) -> None:
        """Hear how many liars there may be, and whether losses are wanted."""
        self._b, self._losses = announcement.b, announcement.losses

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """All workers' gradients at (q, d) points, and their losses where announced; as `ask`."""
        return self.ask(Gradients(points), round_id=round_id, timeout=timeout)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """Ask all workers, until all have answered or the deadline is over.

        Raises:
            FleetError: the fleet is closed.
        """
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with RayFleet(problem)")
        m = len(self.workers)
        deadline = self.deadline.allowing(question).within(timeout)
        watch = self._patience.watch(question, deadline, b=self._b)
        losses = self._losses and isinstance(question, Gradients)
        large = sum(getattr(part, "nbytes", 0) for part in vars(question).values()) > INLINE
        sent = self._ray.put(question) if large else question
        idle = set(range(m)) - set(self._busy.values())
        asked = {self._send(i, sent, losses=losses): i for i in sorted(idle)}
        heard: dict[int, Any] = {}
        broken: dict[int, str] = {}
        while (left := watch.left(heard, broken)) > 0:
            pending = [*asked, *self._busy]
            missing = watch.missing(heard, broken)
            wanted = min(missing if missing > 0 else len(pending), len(pending))
            ready, _ = self._ray.wait(pending, num_returns=wanted, timeout=left)
            for ref in ready:
                if ref in self._busy:
                    i = self._busy.pop(ref)
                    asked[self._send(i, sent, losses=losses)] = i
            for i, answer, flaw in self._fetch({r: asked.pop(r) for r in ready if r in asked}):
                if flaw:
                    broken[i] = flaw
                else:
                    heard[i] = answer
        self._busy |= asked
        self._patience.learn(question, watch, heard)
        messages = self._messages(heard, broken, losses=losses)
        log_messages(_log, round_id, self.workers, messages, watch.elapsed, question)
        return messages

    def close(self) -> None:
        """Stop the actors, and Ray where the fleet started it."""
        if self._closed:
            return
        self._closed = True
        for actor in self._actors:
            self._ray.kill(actor, no_restart=True)
        if self._shut_down:
            self._ray.shutdown()

    def _send(self, i: int, question: object, *, losses: bool) -> Any:
        return self._actors[i].vote.remote(question, losses=losses)

    def _fetch(self, ready: dict[Any, int]) -> list[tuple[int, Any, str]]:
        """(position, answer, "") or (position, None, what went wrong), of refs that are in."""
        try:
            found = self._ray.get(list(ready), timeout=_AT_HAND)
        except Exception:  # noqa: BLE001 - one of them failed: look at each alone
            return [self._fetch_one(ref, i) for ref, i in ready.items()]
        return [(i, answer, "") for i, answer in zip(ready.values(), found, strict=True)]

    def _fetch_one(self, ref: object, i: int) -> tuple[int, Any, str]:
        try:
            return i, self._ray.get(ref, timeout=0), ""
        except Exception as error:  # noqa: BLE001 - whatever the worker's code or death raises
            cause = getattr(error, "cause", None) or error  # what the worker's code raised
            return i, None, f"{type(cause).__name__}: {cause}".splitlines()[0]

    def _messages(self, heard: dict[int, Any], broken: dict[int, str], *, losses: bool) -> Messages:
        everyone = range(len(self.workers))
        pairs = {
            i: answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
            for i, answer in heard.items()
        }
        status = dict.fromkeys(heard, OK) | dict.fromkeys(broken, DEAD)
        return Messages(
            values=[pairs.get(i, (None, None))[0] for i in everyone],
            status=tuple(status.get(i, LATE) for i in everyone),
            notes={self.workers[i]: flaw for i, flaw in broken.items()},
            losses=[pairs.get(i, (None, None))[1] for i in everyone] if losses else None,
        )


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("Ray", "ray") from error
    return ray


def _start(ray: Any) -> bool:
    """Start Ray on this machine unless it runs; whether it was us who did."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Actors without a GPU of their own shall see what the machine has, as later versions do.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    return True
