"""Fuzzed frames through the server's desk, through a worker, and through real connections.

The desk's part plays two liars among five workers. The server asks all four kinds of question in
turn. Every frame is a true answer, or one with changed, missing or surplus bytes, another round's,
another question's, another kind's, another shape's, a replay, NaN, a lone header that claims
petabytes, or plain noise. A round ends after 50 of them, and the three honest answers must be in
it, bit for bit. The second part is a server that sends such questions to a worker. The third sends
the frames of the first through gRPC with a valid certificate. Counted: frames that raised (0
wanted), honest votes that were lost (0 wanted), verdicts; and the process's memory at the start and
at the end.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np

from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.grpc.desk import Caller, Desk
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.worker import Worker
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

NAMES = ("liar-0", "liar-1", "ann", "ben", "cat")
LIARS = NAMES[:2]
POINTS = np.arange(40.0).reshape(2, 20)
QUESTIONS = (
    Gradients(POINTS),
    Changes(POINTS[0], POINTS, np.arange(1.0, 6.0)),
    Curvatures(POINTS[0], POINTS),
    LeastCurvature(POINTS[0], steps=8, seed=3),
)


def memory() -> float:
    """Resident memory of this process in MB; 0 where there is no /proc."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 2**20
    return 0.0


def header(question, ask: int = 1, session: int = 1) -> f.Header:
    """The header of a question in round 0."""
    return f.header_of(question, losses=False, session=session, ask=ask, round_id=0)


def answer_of(asked: f.Header) -> bytes:
    """The answer that the honest give to a question."""
    answer = f.answer_to(asked)
    return next(f.frames(answer, np.arange(float(answer.count))))


def lie(asked: f.Header, old: bytes, rng: random.Random) -> bytes:
    """A frame that a liar may send."""
    true, answer = answer_of(asked), f.answer_to(asked)
    number = rng.choice([0, 1, 2, rng.getrandbits(16), rng.getrandbits(64)])
    short, real = number % 2**32, rng.choice([0.0, 0.5, rng.gauss(0, 1e9), np.inf, np.nan])
    another = replace(header(rng.choice(QUESTIONS), asked.ask, asked.session), round=asked.round)
    return (
        mangled(true, answer, rng)
        if rng.random() < 0.5
        else rng.choice(
            (
                lambda: true,
                lambda: old,
                lambda: answer_of(another),
                lambda: next(f.frames(answer, np.full(answer.count, np.nan))),
                lambda: replace(answer, ask=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, round=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, session=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, d=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, columns=short).packed() + true[f.HEADER.size :],
                lambda: replace(answer, steps=short, seed=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, delta=real, seconds=real).packed() + true[f.HEADER.size :],
                lambda: replace(answer, offset=number).packed() + true[f.HEADER.size :],
                lambda: replace(answer, rows=short, columns=short, d=2**60).packed(),
                lambda: replace(answer, kind=rng.randrange(256), about=rng.randrange(256)).packed(),
            )
        )()
    )


def mangled(true: bytes, head: f.Header, rng: random.Random) -> bytes:
    """A frame of an answer or a question with other bytes, or other sizes."""
    at, number = rng.randrange(len(true)), rng.getrandbits(32)
    return rng.choice(
        (
            lambda: rng.randbytes(rng.randrange(400)),
            lambda: true[:at],
            lambda: true + rng.randbytes(rng.randrange(1, 100)),
            lambda: true[:at] + rng.randbytes(1) + true[at + 1 :],
            lambda: true[: f.HEADER.size] + rng.randbytes(len(true) - f.HEADER.size),
            lambda: replace(head, dtype=rng.randrange(256), losses=rng.randrange(256)).packed(),
            lambda: replace(head, about=rng.randrange(1, 5), rows=number).packed() + true[88:],
        )
    )()


def through_the_desk(frames: int, rng: random.Random) -> Counter:
    """The rounds of a desk without a network."""
    found: Counter = Counter()
    desk, old = Desk(NAMES), b""
    lines = {name: Caller(name) for name in NAMES}
    for line in lines.values():
        desk.connect(line)
    for sent in range(0, frames, 50):
        desk.open(QUESTIONS[sent // 50 % 4], losses=False, round_id=sent)
        asked = f.decode(desk.question_for(lines["ann"], 0)[1][0])[0]
        true = answer_of(asked)
        wanted = np.frombuffer(true, offset=f.HEADER.size)
        for _ in range(min(50, frames - sent)):
            name = rng.choice(LIARS)
            desk.bad.clear()  # the seat is given back, or the first bad frame would be the last
            try:
                why = desk.receive(lines[name], lie(asked, old, rng))
            except Exception as error:  # noqa: BLE001 - that is what is counted
                found[f"RAISED {error!r}"] += 1
                continue
            found["taken" if why is None else "refused"] += 1
            if why is not None:  # the server hangs up, and the liar dials in again
                desk.disconnect(lines[name])
                lines[name] = Caller(name)
                desk.connect(lines[name])
        for name in NAMES[2:]:
            desk.receive(lines[name], true)
        messages = desk.close()
        found["rounds"] += 1
        for answer in messages.answers[2:]:
            found["honest votes lost"] += not np.array_equal(np.ravel(answer), wanted)
        old = true
    return found


class Flat:
    """A loss that costs nothing."""

    def gradient(self, points, data):
        """Zeros."""
        return np.zeros_like(points)

    def value(self, w, data) -> float:
        """Zero."""
        return 0.0


def through_the_client(frames: int, rng: random.Random) -> Counter:
    """Questions of a hostile server, heard by a worker that is not connected."""
    found: Counter = Counter()
    client = Client(honest(Worker(Flat(), None)), "", None, largest=1 << 20, passes=1000)
    heard: list = []
    newest = type("Newest", (), {"put": staticmethod(heard.append)})
    for _ in range(frames):
        asked = header(rng.choice(QUESTIONS), ask=rng.getrandbits(64))
        question = next(q for q in QUESTIONS if header(q).about == asked.about)
        frame = next(f.frames(asked, *f.parts_of(question)))
        try:
            client._hear(mangled(frame, asked, rng) if rng.random() < 0.9 else frame, newest)  # noqa: SLF001
        except f.FrameError:
            client._assembly = None  # noqa: SLF001 - as in a new connection
            found["refused"] += 1
        except Exception as error:  # noqa: BLE001 - that is what is counted
            found[f"RAISED {error!r}"] += 1
        while heard:
            told, question = heard.pop()
            answered = question is not None and client._answers(told, question)  # noqa: SLF001
            found["answered" if answered else "not answered"] += 1
    return found


def through_grpc(frames: int, rng: random.Random) -> Counter:
    """The same frames from a peer with a certificate, over TLS; one connection, many streams."""
    found: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "keys"
        keys.init(home)
        keys.issue(home, NAMES)
        with (
            contextlib.closing(GrpcFleet(NAMES, home)) as fleet,
            transport.channel(fleet.address, keys.load(home, "liar-0")) as channel,
        ):
            stream = channel.stream_stream(transport.PATH)
            for _ in range(frames):
                fleet._desk.bad.clear()  # noqa: SLF001 - the seat again, or nothing is read
                try:
                    for _ in stream(iter([lie(header(rng.choice(QUESTIONS)), b"", rng)])):
                        pass
                    found["taken"] += 1
                except grpc.RpcError as error:
                    found[error.code().name.lower()] += 1
            counted = fleet.counters()["liar-0"]
            found |= Counter({f"counted as {what}": n for what, n in counted.items() if n})
    return found


def report(frames: int, sent: int, seed: int) -> bool:
    """Measure and print; whether nothing raised and no honest vote was lost."""
    rng, sound = random.Random(seed), True  # noqa: S311 - what is sent is no secret
    for name, count, fuzz in (
        ("desk", frames, through_the_desk),
        ("client", frames // 10, through_the_client),
        ("gRPC", sent, through_grpc),
    ):
        fuzz(max(count // 100, 20), rng)  # what Python and gRPC take once
        before, began = memory(), time.perf_counter()
        found = fuzz(count, rng)
        seconds, after = time.perf_counter() - began, memory()
        lost = any(n for what, n in found.items() if what.startswith(("RAISED", "honest votes")))
        sound = sound and not lost
        print(
            f"{name}: {count} frames in {seconds:.0f} s, {dict(sorted(found.items()))}; memory "
            f"{before:.1f} to {after:.1f} MB ({after / max(before, 1) - 1:+.1%})",
            flush=True,
        )
    return sound
