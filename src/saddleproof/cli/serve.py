"""`saddleproof serve`: lead a run over workers in other processes, behind mutual TLS."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof.cli.hangup import rereading
from saddleproof.cli.run import begin, ended, finish, result_told, with_progress
from saddleproof.cli.terminal import (
    INTERRUPTED,
    allow_option,
    config_argument,
    console,
    resume_option,
    say,
)
from saddleproof.words import Ending

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.config.records import Config
    from saddleproof.config.setup import Setup
    from saddleproof.loop import Result

#: One process computes with one thread: the processes are the parallelism.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command("serve")
@config_argument
@click.option("--listen", default="127.0.0.1:7443", show_default=True, help="HOST:PORT.")
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="Folder of the keys; saddleproof-keys unless given.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with a worker's name a line, and its key's fingerprint where that is pinned; "
    "worker-0, worker-1, ... unless given. Read again on SIGHUP, as the keys are.",
)
@resume_option
@allow_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-runs",
    show_default=True,
    help="Folder of the run store, runs.sqlite.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Seconds that the last workers of a round get after the others.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Seconds to wait for the whole roster before the first round.",
)
@click.option("--local-workers", is_flag=True, help="Start the workers too, here, from CONFIG.")
@click.option("--verbose", is_flag=True, help="Log connections too, not only what goes wrong.")
def command(
    config: Path,
    listen: str,
    keys: Path | None,
    roster: Path | None,
    out: Path,
    grace: float,
    wait: float,
    *,
    resume: bool,
    allow: tuple[str, ...],
    local_workers: bool,
    verbose: bool,
) -> None:
    """Run CONFIG over workers that dial in; every round is committed to the store.

    The problem of CONFIG needs a start and a number of workers here; gradients are the workers'
    business, and so are the lies of [attack].
    """
    from saddleproof.config.parse import load
    from saddleproof.config.setup import build, first_warnings
    from saddleproof.fleets.deadline import Deadline
    from saddleproof.fleets.grpc.fleet import GrpcFleet
    from saddleproof.fleets.grpc.roster import Roster, read
    from saddleproof.runs.store import Store

    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(message)s")
    terminal, chosen = console(), load(config)
    if resume:
        with Store(out / "runs.sqlite") as store:
            if (over := ended(store, chosen)) is not None:
                say(terminal, over)
                return
    setup = build(chosen)
    members = Roster(setup.fleet.workers) if roster is None else read(roster)
    names = members.names
    with ExitStack() as stack:
        # A supervisor's way to say Ctrl-C: the state is kept, and no worker of ours is left behind.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        if local_workers and keys is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="saddleproof-keys-"))
            keys = _fresh_keys(Path(folder) / "keys", names)
            listen = "127.0.0.1:0"
        keys = Path("saddleproof-keys") if keys is None else keys
        fleet = GrpcFleet(members, keys, listen=listen, deadline=Deadline(grace=grace))
        stack.enter_context(rereading(fleet, roster))
        if local_workers:
            stack.enter_context(_workers(config, chosen, names, fleet.address, keys))
        stack.callback(fleet.close)
        say(terminal, f"waiting at {fleet.address} for {len(names)} workers")
        fleet.gather(wait)
        with first_warnings() as notes:
            run, result = lead(
                chosen,
                replace(setup, fleet=fleet),
                out,
                resume=resume,
                allow=allow,
                terminal=terminal,
            )
        unfinished = result.status.resumable
        if unfinished and not local_workers:
            fleet.close(done=False)  # the workers dial in again, when the run goes on
    for note in notes:
        say(terminal, f"warning: {note}")
    say(terminal, str(result))
    for line in _counted(fleet.counters(), fleet.handshakes):
        say(terminal, line)
    say(terminal, f"\nrun {run} in {out / 'runs.sqlite'}")
    if unfinished:
        say(terminal, f"go on with: saddleproof serve {config} --resume --out {out}")
        sys.exit(INTERRUPTED if result.status is Ending.INTERRUPTED else 1)


def lead(
    chosen: Config,
    setup: Setup,
    out: Path,
    *,
    resume: bool,
    allow: tuple[str, ...] = (),
    terminal: Console | None = None,
) -> tuple[int, Result]:
    """Run `setup`, every round committed to the store in `out`; the run's number and its result.

    Args:
        chosen: the configuration that `setup` was made from.
        setup: its fleet computes.
        out: folder of the store.
        resume: go on with the last run of this configuration, if there is one that has not ended.
        allow: what may differ from how that run began.
        terminal: where the progress is shown.
    """
    from saddleproof.runs.store import Store

    with Store(out / "runs.sqlite") as store:
        checkpoint = begin(store, chosen, resume=resume)
        if terminal is None:
            result: Result = setup.minimize(checkpoint=checkpoint, resume=True, allow=allow)
            finish(store, checkpoint, result)
        else:
            with result_told(terminal):
                result = with_progress(terminal, setup, checkpoint, allow)
                finish(store, checkpoint, result)
    return checkpoint.run, result


def _fresh_keys(folder: Path, names: tuple[str, ...]) -> Path:
    from saddleproof.fleets.grpc import keys

    keys.init(folder, days=7)
    keys.issue(folder, names, days=7)
    return folder


@contextmanager
def _workers(
    config: Path, chosen: Config, names: tuple[str, ...], address: str, keys: Path
) -> Iterator[None]:
    """One `saddleproof worker` process a name; the liars of CONFIG lie in theirs."""
    liars = () if chosen.main.liars is None else chosen.main.liars.members
    command = [sys.executable, "-m", "saddleproof", "worker", str(config)]
    fixed = ["--server", address, "--keys", str(keys), "--leash"]
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    processes: list[subprocess.Popen[bytes]] = []
    theirs, ours = os.pipe()  # nothing is written: it ends when we do, however we end
    try:
        for i, name in enumerate(names):
            own = ["--name", name, "--index", str(i), *(["--attack"] if i in liars else [])]
            processes.append(
                subprocess.Popen([*command, *fixed, *own], env=environment, stdin=theirs)  # noqa: S603 (our own)
            )
        yield
    finally:
        os.close(ours)
        os.close(theirs)
        _end(processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Their input has ended: a moment to leave in order, then a signal."""
    until = time.monotonic() + 10.0
    for process in processes:
        try:
            process.wait(timeout=max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _counted(counters: Any, handshakes: int) -> list[str]:
    """One line a worker that did not answer every round, or did more than that; and of others."""
    quiet = {"answered", "connected"}
    known = sum(row["connected"] + row["refused"] for row in counters.values())
    nobody = f"{handshakes} connections began a handshake, {known} said who they are"
    return [nobody] * (handshakes > known) + [
        f"{name}: {', '.join(f'{n} {what}' for what, n in row.items() if n)}"
        for name, row in counters.items()
        if any(n for what, n in row.items() if what not in quiet)
    ]
