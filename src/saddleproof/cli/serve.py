"""`saddleproof serve`: lead a run over workers in other processes, behind mutual TLS."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saddleproof.cli import logs
from saddleproof.cli.again import again
from saddleproof.cli.hangup import rereading
from saddleproof.cli.leading import lead, refuse_led
from saddleproof.cli.local_workers import fresh_keys, started
from saddleproof.cli.run import ended, result_told
from saddleproof.cli.signals import stopping
from saddleproof.cli.terminal import (
    allow_option,
    config_argument,
    console,
    exit_code,
    import_option,
    resume_option,
    say,
)
from saddleproof.errors import FleetError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.fleets.grpc.fleet import GrpcFleet
    from saddleproof.result import Progress, Result
    from saddleproof.words import Ending

_log = logging.getLogger(__name__)


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
@import_option
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
@click.option("--check", is_flag=True, help="Look everything over, and begin no run.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Port of an endpoint for Prometheus; 0 takes a free one. None unless given.",
)
@click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    help="Where that endpoint listens. It asks nobody who they are.",
)
@logs.format_option
@logs.level_option("info")
@click.pass_context
def command(
    context: click.Context,
    config: Path,
    listen: str,
    keys: Path | None,
    roster: Path | None,
    out: Path,
    grace: float,
    wait: float,
    metrics_port: int | None,
    metrics_host: str,
    log_format: str,
    log_level: str,
    *,
    resume: bool,
    allow: tuple[str, ...],
    imports: tuple[str, ...],
    local_workers: bool,
    check: bool,
) -> None:
    """Run CONFIG over workers that dial in; every round is committed to the store.

    The problem of CONFIG needs a start and a number of workers here; gradients are the workers'
    business, and so are the lies of [attack].
    """
    from saddleproof.config.parse import load
    from saddleproof.config.setup import build
    from saddleproof.fleets.deadline import Deadline
    from saddleproof.fleets.grpc.fleet import GrpcFleet
    from saddleproof.fleets.grpc.roster import Roster, read
    from saddleproof.fleets.logs import RoundLog
    from saddleproof.runs.store import Store

    logs.begin(log_format, log_level)
    with ExitStack() as stack:
        stop = stack.enter_context(stopping())
        terminal, chosen = console(), load(config, imports)
        if resume and not check:
            with Store(out / "runs.sqlite") as store:
                if (over := ended(store, chosen)) is not None:
                    say(terminal, over)
                    return
                refuse_led(store, chosen)
        setup = build(chosen)
        members = Roster(setup.fleet.workers) if roster is None else read(roster)
        names, metrics = members.names, (metrics_host, metrics_port)
        if check:
            from saddleproof.cli.check import Served, told

            own = local_workers and keys is None
            folder = None if own else keys or Path("saddleproof-keys")
            served = Served(chosen, setup, members, folder, listen, metrics, out)
            sys.exit(told(served))
        if local_workers and keys is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="saddleproof-keys-"))
            keys = fresh_keys(Path(made) / "keys", names)
            listen = "127.0.0.1:0"
        keys = Path("saddleproof-keys") if keys is None else keys
        fleet = GrpcFleet(members, keys, listen=listen, deadline=Deadline(grace=grace))
        stack.callback(fleet.close, done=False)
        stack.enter_context(rereading(fleet, roster))
        endpoint = _endpoint(stack, fleet, metrics)
        if local_workers:
            common = ["--server", fleet.address, "--keys", str(keys)]
            common += ["--log-format", log_format, "--log-level", log_level]
            common += [f"--allow-import={module}" for module in imports]
            stack.enter_context(started(config, chosen, names, told=common, stop=stop))
        say(terminal, f"waiting at {fleet.address} for {len(names)} workers")
        ready = replace(setup, fleet=fleet)

        def led() -> tuple[int, Result]:
            _gather(fleet, wait)
            log = RoundLog(names, unseated=fleet.unseated)
            watching: list[Callable[[Progress], None]] = [log, *endpoint]
            with result_told(terminal):
                return lead(
                    chosen, ready, out, resume=resume, allow=allow, watching=watching, stop=stop
                )

        status = _ended(context, fleet, led)
    sys.exit(exit_code(status))


def _ended(
    context: click.Context, fleet: GrpcFleet, led: Callable[[], tuple[int, Result]]
) -> Ending:
    """Lead the run, and say how it ended, who did what, and how to go on; its status.

    Args:
        context: of the command.
        fleet: is closed here. Its workers are told that the run is over; where it is not, they
            dial in again.
        led: leads the run; its number and its result.
    """
    from saddleproof.config.setup import first_warnings

    terminal, store = console(), context.params["out"] / "runs.sqlite"
    onward = f"go on with: {again(context)}"
    try:
        with first_warnings() as notes:
            run, result = led()
    except (KeyboardInterrupt, StoreError) as error:
        fleet.close(done=False)
        _tell_workers(terminal, fleet)
        if not isinstance(error, StoreError) or error.result is not None:
            say(terminal, onward)
        raise
    over = not result.status.resumable
    fleet.close(done=over)
    for note in notes:
        say(terminal, f"warning: {note}")
    say(terminal, str(result))
    _tell_workers(terminal, fleet, result.excluded)
    say(terminal, f"\nrun {run} in {store}")
    if not over:
        say(terminal, onward)
    return result.status


def _endpoint(
    stack: ExitStack, fleet: GrpcFleet, metrics: tuple[str, int | None]
) -> list[Callable[[Progress], None]]:
    """The endpoint for Prometheus, where one is wanted; it closes with the stack.

    Raises:
        FleetError: its port cannot be had.
    """
    from saddleproof.fleets.logs import told
    from saddleproof.fleets.metrics import Exporter

    host, port = metrics
    if port is None:
        return []
    names, counters, unseated = fleet.workers, fleet.counters, fleet.unseated
    try:
        exporter = Exporter(port, workers=names, address=host, counters=counters, unseated=unseated)
    except OSError as error:
        raise FleetError(
            f"cannot listen at {host}:{port} for --metrics-port: {error.strerror or error}"
        ) from error
    extra = told(event="metrics", host=host, port=exporter.port)
    _log.info("metrics at http://%s:%d/metrics", host, exporter.port, extra=extra)
    return [stack.enter_context(exporter)]


def _gather(fleet: GrpcFleet, wait: float) -> None:
    """Wait for the roster, and log who is not there."""
    from saddleproof.fleets.logs import told

    missing = fleet.gather(wait)
    extra = told(event="gathered", workers=len(fleet.workers), missing=list(missing))
    if missing:
        text = "begins without %d of %d workers: %s"
        _log.warning(text, len(missing), len(fleet.workers), ", ".join(missing), extra=extra)
    else:
        _log.info("all %d workers are there", len(fleet.workers), extra=extra)


def _tell_workers(
    terminal: Console, fleet: GrpcFleet, excluded: Mapping[str, str] | None = None
) -> None:
    """The table of the workers, and a line of everybody else."""
    from saddleproof.cli.attendance import others, table

    counted = fleet.counters()
    roster = {name: counted[name] for name in fleet.workers}
    terminal.print()
    terminal.print(table(roster, {**fleet.unseated(), **(excluded or {})}))
    for line in others(counted, fleet.workers, fleet.handshakes):
        say(terminal, line)
