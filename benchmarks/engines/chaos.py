"""Kill -9 at random moments: the server, whose runs go on to the same bytes, and the workers.

    python benchmarks chaos [--servers 5] [--workers 20] [--seed 0]

Every process is a real one, killed by SIGKILL; they are forked from one that has the imports done,
so that a kill costs the run's time and not Python's start. The fleet is `GrpcFleet` over loopback
with TLS, eight workers of which two lie.

A server's trial: a run is killed at a random moment, and led on by a new server with `resume`,
which finds nothing left to do where the run had ended before its server did. It must end in the
bytes of a run that nobody touched; between the two the store must be whole, and no round that was
committed may be missing. A worker's kill: one of the honest workers of a run that goes on dies at a
random moment and is started again; the run must end at a second-order point all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from saddleproof.cli.run import ended
from saddleproof.cli.serve import lead
from saddleproof.cli.worker import from_config
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.runs.store import Store

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # every kill is news to it; read when it starts
M = 8
CONFIG = f"""
problem = {{ name = "tensor", workers = {M} }}
attack = {{ name = "saddle", members = 2 }}
run = {{ b = 2, seed = 0, max_rounds = 60 }}
"""
NAMES = tuple(f"worker-{i}" for i in range(M))
ROUNDS = (
    "SELECT run, round, queries, gradient_norm, inexactness, charged, absent, strangers, left_out "
    "FROM rounds ORDER BY run, round"
)
#: What the process that all others are forked from has imported: all of the above.
IMPORTS = [
    "grpc",
    "saddleproof.cli.serve",
    "saddleproof.cli.worker",
    "saddleproof.config.setup",
    "saddleproof.fleets.grpc.fleet",
    "saddleproof.runs.store",
]
#: Seconds; with less, a machine that has much else to do would make somebody late now and then.
PATIENCE = 1200.0


def serve(home: Path, out: Path, listen: str, resume: bool, grace: float) -> None:
    """A server process: leads one run, and hangs up without a farewell."""
    config = load(home / "run.toml")
    if resume:
        with Store(out / "runs.sqlite") as store:
            if ended(store, config) is not None:
                return
    deadline = Deadline(grace=grace, limit=PATIENCE)
    with contextlib.closing(
        GrpcFleet(NAMES, home / "keys", listen=listen, deadline=deadline)
    ) as fleet:
        fleet.gather(PATIENCE)
        lead(config, replace(build(config), fleet=fleet), out, resume=resume)
        fleet.close(done=False)


def work(home: Path, i: int, server: str, asked) -> None:
    """A worker process; the first two lie. `asked` is set with the first question that it hears."""
    told = from_config(home / "run.toml", i, attack=i < 2)

    def answer(question, round_id, *, losses):
        asked.set()
        return told(question, round_id, losses=losses)

    Client(answer, server, keys.load(home / "keys", NAMES[i]), pause=0.2).run()


def query(out: Path, sql: str) -> list[tuple]:
    """What the store holds."""
    with contextlib.closing(sqlite3.connect(out / "runs.sqlite", timeout=60)) as db:
        return db.execute(sql).fetchall()


def committed(out: Path) -> int:
    """How many rounds are committed; 0 where the store or its tables are not there yet."""
    try:
        return query(out, "SELECT count(*) FROM rounds")[0][0]
    except sqlite3.OperationalError:
        return 0


def end(out: Path) -> list[list[tuple]]:
    """All that two equal runs have in common, and that there is one.

    Not what the transport turned away: that is of its processes, not of the run.
    """
    return [
        query(out, ROUNDS),
        query(out, "SELECT round, state FROM snapshots"),
        query(out, "SELECT status, message, certificate FROM runs"),
    ]


class Stage:
    """A folder with keys and configuration, a port, and processes that are ours to kill."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "run.toml").write_text(CONFIG)
        keys.init(home / "keys")
        keys.issue(home / "keys", NAMES)
        self.listen = f"127.0.0.1:{free_port()}"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(IMPORTS)
        self.asked: list = [None] * M
        self.workers = [self.worker(i) for i in range(M)]

    def worker(self, i: int):
        """Start worker i."""
        # A new one: who is killed while it sets an event leaves it locked for ever.
        self.asked[i] = self.context.Event()
        return self._start(work, self.home, i, self.listen, self.asked[i])

    def server(self, out: Path, *, resume: bool, grace: float = PATIENCE):
        """Start a server."""
        return self._start(serve, self.home, out, self.listen, resume, grace)

    def _start(self, target, *arguments):
        process = self.context.Process(target=target, args=arguments, daemon=True)
        process.start()
        return process

    def close(self) -> None:
        """Kill the workers."""
        for process in self.workers:
            process.kill()
            process.join()


def free_port() -> int:
    """A port that nobody listens at, below those that clients get when they dial out.

    It stays free while no server runs, though many connections are made then.
    """
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise SystemExit("no port is free between 20000 and 32000")


def kill(process) -> None:
    """Kill -9."""
    process.kill()
    process.join()


def kill_server(
    stage: Stage, out: Path, rng: random.Random, length: float, untouched: list
) -> dict[str, bool]:
    """One trial, killed at a random time or after a random round; what was found, by name."""
    process = stage.server(out, resume=False)
    if rng.random() < 0.5:
        process.join(rng.uniform(0.0, length))
    else:
        wanted = rng.randrange(len(untouched[0]))
        while process.is_alive() and committed(out) < wanted:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.02))
    hit = process.is_alive()
    kill(process)
    before = query(out, ROUNDS) if committed(out) else []
    over = hit and bool(before) and query(out, "SELECT ended FROM runs") != [(None,)]
    corrupt = hit and (out / "runs.sqlite").exists() and (
        query(out, "PRAGMA integrity_check") != [("ok",)]
        or (bool(before) and query(out, "SELECT round FROM snapshots") != [(len(before),)])
    )  # fmt: skip
    if hit:
        process = stage.server(out, resume=True)
        process.join()
    after = query(out, ROUNDS)
    found = end(out)
    if found != untouched:
        pairs = zip(found, untouched, strict=True)
        print("another end:", [(x, y) for a, b in pairs for x, y in zip(a, b) if x != y][:1])  # noqa: B905
    return {
        "killed": hit,
        "killed inside the run": hit and 0 < len(before) < len(untouched[0]),
        "killed after its end": over,
        "corrupt": corrupt,
        "lost rounds": after[: len(before)] != before,
        "other ends": found != untouched,
    }


def kill_workers(stage: Stage, out: Path, kills: int, rng: random.Random, length: int) -> None:
    """Kill honest workers of runs that go on, until so many are dead.

    One at a time: 7 workers hold two liars, and 6 do not. The next one dies when the one before has
    answered again, in this run or in the next.
    """
    done = runs = ended_well = rounds = 0
    while done < kills:
        there = out / str(runs)
        process = stage.server(there, resume=False, grace=10.0)
        wanted = rng.randrange(length)
        while process.is_alive() and committed(there) < wanted:
            time.sleep(0.005)
        while process.is_alive() and done < kills:
            i = rng.randrange(2, M)
            kill(stage.workers[i])
            stage.workers[i] = stage.worker(i)
            done += 1
            while process.is_alive() and not stage.asked[i].wait(0.01):
                pass
            process.join(rng.uniform(0.0, 0.2))
        process.join()
        runs += 1
        ((status,),) = query(there, "SELECT status FROM runs")
        ended_well += status == "second_order"
        rounds += committed(there)
        if runs % 20 == 0 or done == kills:
            found = {"killed": done, "runs": runs, "second order": ended_well, "rounds": rounds}
            print(f"workers: {found}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", type=int, default=5, help="kills of the server")
    parser.add_argument("--workers", type=int, default=20, help="kills of a worker")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the workers end with us
    rng = random.Random(options.seed)  # noqa: S311 - when to kill is no secret
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Stage(Path(folder))) as stage:
        began = time.perf_counter()
        stage.server(stage.home / "untouched", resume=False).join()
        length = time.perf_counter() - began  # with the workers' start; then it is shorter
        began = time.perf_counter()
        stage.server(stage.home / "again", resume=False).join()
        length = time.perf_counter() - began
        untouched = end(stage.home / "untouched")
        print(f"untouched: {len(untouched[0])} rounds, {untouched[2][0][0]}; "
              f"the same bytes again: {end(stage.home / 'again') == untouched}")  # fmt: skip
        trials: list[dict[str, bool]] = []
        kills = 0
        while kills < options.servers:
            out = stage.home / f"server-{len(trials)}"
            trials.append(kill_server(stage, out, rng, length, untouched))
            kills += trials[-1]["killed"]
            length *= 1.0 if trials[-1]["killed"] else 0.95  # it had ended: too long a span
            if len(trials) % 20 == 0 or kills == options.servers:
                found = {name: sum(t[name] for t in trials) for name in trials[0]}
                print(f"servers: {len(trials)} trials, {found}", flush=True)
        if options.workers:
            kill_workers(stage, stage.home / "w", options.workers, rng, len(untouched[0]))
