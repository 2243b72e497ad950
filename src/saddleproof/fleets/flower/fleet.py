"""`FlowerFleet`: Flower's nodes as workers, asked and heard by our own loop over the Grid.

Flower's `send_and_receive` sleeps three seconds between two looks; this loop looks every 20 ms.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Announcement, Messages
from saddleproof.fleets.deadline import Deadline, Patience
from saddleproof.fleets.flower import envelope, keys
from saddleproof.fleets.flower.envelope import SESSION, Ballot, Refused, Signed
from saddleproof.fleets.logs import log_messages, speak_again
from saddleproof.questions import QUESTIONS, Gradients, Question

_log = logging.getLogger(__name__)
#: Seconds that Flower keeps a question for a node after its round is over.
_TTL = 60.0
#: Refusals that are noted in a round; anybody may register nodes, as many as he likes.
_STRANGERS = 64


class FlowerFleet:
    """The nodes of a Flower run as workers; who signed an answer is who voted.

    Every node that Flower knows is asked, one question at a time. What is not signed by a key of
    the roster, for this question and by the node that was asked, is nobody's vote: it is noted
    and dropped, and the worker whose name it bears is not charged for it.

    Args:
        grid: Flower's, as `ServerApp.main` hands it over.
        workers: the roster, worker to public key as `new_key` returned it; or the numbers of
            Flower's nodes, each of which is a worker whatever name its answers bear, as sure as
            Flower's own authentication is; or, with `insecure`, the number m of workers, which are
            then called worker-0 to worker-(m - 1).
        insecure: believe whatever name an answer bears. For simulations, where all nodes are one
            process: elsewhere a liar may vote under every name that is free.
        deadline: how long a round waits; Flower starts a process for each message, so that the
            default grants ten seconds of grace and two minutes in all, and in proportion more
            for questions of more than 20 passes over the data.
        start_timeout: seconds to wait for m nodes before the first round.
        poll: seconds between two looks for answers.
        about: what a point stands for, see `saddleproof.fleets.flower.envelope.Ballot`.

    Attributes:
        questions: all four. A worker whose loss has no `value` is dead in a round of `Changes`.

    Raises:
        OptionError: no keys and not `insecure`; no workers; not a public key; one key twice.
    """

    questions = QUESTIONS

    def __init__(
        self,
        grid: Any,
        workers: int | Mapping[str, str] | Sequence[int],
        *,
        insecure: bool = False,
        deadline: Deadline | None = None,
        start_timeout: float = 120.0,
        poll: float = 0.02,
        about: str = "",
    ) -> None:
        self.workers, self._publics = roster(workers, insecure=insecure)
        self.deadline = Deadline(grace=10.0, limit=120.0) if deadline is None else deadline
        self._grid, self._poll, self._about = grid, poll, about
        self._session, self._asks = secrets.token_bytes(SESSION), 0
        self._patience = Patience(len(self.workers))
        self._b, self._losses, self._closed = 0, False, False
        self._unreadable, self._singly = envelope.unreadable(), False
        self._busy: dict[str, int] = {}  # questions of earlier rounds that are still open
        nodes = () if isinstance(workers, int | Mapping) else workers
        self._by_node = bool(nodes)
        self._seat = {str(node): node for node in nodes}  # worker to where it last answered from
        self._wait_for_nodes(start_timeout)

    def announce(self, announcement: Announcement) -> None:
        """Hear how many liars there may be, and whether losses are wanted."""
        self._b, self._losses = announcement.b, announcement.losses

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """All workers' gradients at (q, d) points, and their losses where announced; as `ask`."""
        return self.ask(Gradients(points), round_id=round_id, timeout=timeout)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """Ask all nodes, until all workers have answered or the deadline is over.

        Raises:
            FleetError: the fleet is closed, or the question's dtype does not travel.
        """
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with FlowerFleet(grid, ...)")
        speak_again()
        deadline = self.deadline.allowing(question).within(timeout)
        watch = self._patience.watch(question, deadline, b=self._b)
        self._asks += 1
        losses = self._losses and isinstance(question, Gradients)
        ballot = Ballot(self._session, self._asks, losses, question, self._about)
        idle = set(self._grid.get_node_ids()) - set(self._busy.values())
        asked = self._push(ballot, sorted(idle), round_id)
        votes: dict[int, Signed] = {}
        gone: set[int] = set()
        notes: dict[str, str] = {}
        while watch.left(votes, gone) > 0:
            replies, unreadable = self._pull([*asked, *self._busy])
            for about in unreadable & asked.keys():
                self._refuse(ballot, asked.pop(about), "Flower cannot read it", notes)
            for about in unreadable & self._busy.keys():
                asked |= self._push(ballot, [self._busy.pop(about)], round_id)
            for message in replies:
                about = message.metadata.reply_to_message_id
                if about in self._busy:
                    asked |= self._push(ballot, [self._busy.pop(about)], round_id)
                elif about in asked:
                    self._judge(message, ballot, asked.pop(about), votes, gone, notes)
            if not replies:
                time.sleep(self._poll)
        self._busy |= asked
        self._patience.learn(question, watch, votes)
        messages = self._messages(ballot, votes, gone, notes)
        log_messages(_log, round_id, self.workers, messages, watch.elapsed, question)
        return messages

    def close(self) -> None:
        """Later rounds are refused; the nodes are Flower's."""
        self._closed = True

    def _push(self, ballot: Ballot, nodes: list[int], round_id: int) -> dict[str, int]:
        """Push the question; message to node, for those that Flower took."""
        make = envelope.flwr_app().Message
        ttl = self.deadline.allowing(ballot.question).limit + _TTL
        content = envelope.ask(ballot)
        sent = [make(content, node, "query", ttl=ttl, group_id=str(round_id)) for node in nodes]
        taken = set(self._grid.push_messages(sent)) if sent else set()
        where = {message.metadata.message_id: message.metadata.dst_node_id for message in sent}
        return {key: node for key, node in where.items() if key in taken}

    def _judge(
        self,
        message: Any,
        ballot: Ballot,
        node: int,
        votes: dict[int, Signed],
        gone: set[int],
        notes: dict[str, str],
    ) -> None:
        """Enter what came back from a node: a vote, a failure, or nobody's words."""
        if not message.has_content():
            _log.warning("question %d: node %d failed: %.200a", ballot.ask, node, _reason(message))
            gone |= {i for i, name in enumerate(self.workers) if self._seat.get(name) == node}
            return
        try:
            vote = envelope.read(message.content, ballot, node=node, publics=self._publics)
            vote = replace(vote, name=str(node)) if self._by_node else vote
            self._seat_of(vote.name, node)
        except Refused as why:
            self._refuse(ballot, node, str(why), notes)
            return
        i = self.workers.index(vote.name)
        gone.discard(i)
        votes[i] = Signed(vote.name, flaw="second vote") if i in votes else vote

    def _refuse(self, ballot: Ballot, node: int, why: str, notes: dict[str, str]) -> None:
        if len(notes) < _STRANGERS:
            notes[f"node {node}"] = why
            _log.warning("question %d: node %d is refused (%s)", ballot.ask, node, why)

    def _pull(self, ids: list[str]) -> tuple[list[Any], set[str]]:
        """Replies, and questions whose reply makes Flower raise where it unpacks it for us.

        The first one takes along what came with it; from then on each is pulled by itself.
        """
        if not self._singly:
            try:
                return list(self._grid.pull_messages(ids)), set()
            except self._unreadable:
                self._singly = True
                _log.warning("Flower cannot read one of the replies: they are pulled singly now")
        replies: list[Any] = []
        unreadable: set[str] = set()
        for one in ids:
            try:
                replies += self._grid.pull_messages([one])
            except self._unreadable:
                unreadable.add(one)
        return replies, unreadable

    def _seat_of(self, name: str, node: int) -> None:
        """Let the worker take the node's seat; without keys, who comes first keeps a name."""
        if name not in self.workers:
            raise Refused("not on the roster")
        if self._publics is None and self._seat.get(name, node) != node:
            raise Refused(f"{name} is taken")
        self._seat[name] = node

    def _messages(
        self, ballot: Ballot, votes: dict[int, Signed], gone: set[int], notes: dict[str, str]
    ) -> Messages:
        everyone = range(len(self.workers))
        flaws = {vote.name: vote.flaw for vote in votes.values() if vote.flaw}
        status = dict.fromkeys(gone, DEAD) | {
            i: MALFORMED if vote.flaw else OK for i, vote in votes.items()
        }
        none = Signed("")
        return Messages(
            values=[votes.get(i, none).value for i in everyone],
            status=tuple(status.get(i, LATE) for i in everyone),
            notes=notes | flaws,
            losses=[votes.get(i, none).losses for i in everyone] if ballot.losses else None,
        )

    def _wait_for_nodes(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while len(set(self._grid.get_node_ids())) < len(self.workers):
            if time.monotonic() > until:
                _log.warning("not all of the %d workers are there yet", len(self.workers))
                return
            time.sleep(0.2)


def _reason(message: Any) -> str:
    """What a node says of its failure."""
    return str(message.error.reason) if message.has_error() else "no content"


def roster(
    workers: int | Mapping[str, str] | Sequence[int], *, insecure: bool
) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """The workers' names, and their public keys where they have some.

    Raises:
        OptionError: no keys and not `insecure`, no workers, or something is no key.
    """
    if isinstance(workers, Mapping):
        if not workers:
            raise OptionError("a fleet needs workers; got an empty roster")
        return tuple(workers), keys.public_keys(workers)
    if not isinstance(workers, int):
        if not workers or len(set(workers)) < len(workers):
            raise OptionError(f"a fleet needs nodes, each of them once; got {workers}")
        return tuple(str(node) for node in workers), None
    if not insecure:
        raise OptionError(
            "without a key for every worker anybody may register nodes and vote many times: pass "
            "workers={name: public key, ...}, made by saddleproof.fleets.flower.new_key, or "
            "insecure=True for a simulation"
        )
    if workers < 1:
        raise OptionError(f"a fleet needs workers; got {workers}")
    return tuple(f"worker-{i}" for i in range(workers)), None
