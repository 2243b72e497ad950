"""`saddleproof serve --check`: would this run begin, and would it last? Nothing is begun."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof.cli.doctor import Check, store
from saddleproof.cli.leading import refuse_led
from saddleproof.errors import BreakdownError, SaddleproofError, StoreError

if TYPE_CHECKING:
    from saddleproof.config.records import Config
    from saddleproof.config.setup import Setup
    from saddleproof.fleets.grpc.roster import Roster

#: Exit codes: a run would not begin; it would, and something is not as it should be.
BROKEN, DOUBTFUL = 1, 4
#: Days before the end of a certificate from which on it is told.
_SOON = 14
#: Snapshots that the disk should have room for, and bytes beside them.
_SNAPSHOTS, _BESIDE = 10, 64 << 20


@dataclass(frozen=True)
class Served:
    """What `saddleproof serve` was called with.

    Attributes:
        chosen: the configuration.
        setup: its parts.
        members: the roster.
        keys: their folder; None where the command makes them itself.
        listen: "host:port" for the workers.
        metrics: host and port of the endpoint; the port is None where there is none.
        out: folder of the run store.
    """

    chosen: Config
    setup: Setup
    members: Roster
    keys: Path | None
    listen: str
    metrics: tuple[str, int | None]
    out: Path


def told(served: Served) -> int:
    """Print every check; the exit code that they come to."""
    worst = 0
    for check in checks(served):
        click.echo(str(check))
        worst = max(worst, 2 if not check.good else int(check.doubtful))
    return (0, DOUBTFUL, BROKEN)[worst]


def checks(served: Served) -> Iterator[Check]:
    """All checks, one after the other."""
    setup, m = served.setup, len(served.members.names)
    yield _problem(setup)
    yield _roster(served)
    yield slack(setup, m)
    if served.keys is not None:
        yield from _keys(served.keys)
        yield _port("port", *_split(served.listen))
    yield _files(m)
    if served.metrics[1] is not None:
        missing = find_spec("prometheus_client") is None
        why = "prometheus-client is missing: pip install 'saddleproof[metrics]'"
        host, port = served.metrics
        yield Check("metrics", why, good=False) if missing else _port("metrics", host, str(port))
    yield store(served.out)
    yield _run(served)
    yield _disk(served)


def room(setup: Setup, m: int) -> int:
    """How many workers may crash, while b others are silent, before a run stops.

    Below 0 where b silent workers alone are too many. Silence proves nothing, so each worker that
    is missing leaves b as it is.

    Args:
        setup: its rule, its optimizer and b.
        m: how many workers there are.

    Raises:
        BreakdownError: b liars among m are too many, where all are heard.
    """
    from saddleproof.server import check_limits

    b = setup.options.b

    def holds(heard: int) -> bool:
        try:
            check_limits(setup.aggregator, setup.optimizer, heard, b)
        except BreakdownError:
            return False
        return True

    check_limits(setup.aggregator, setup.optimizer, m, b)
    least = next(heard for heard in range(m, -1, -1) if heard == 0 or not holds(heard - 1))
    return m - least - b


def slack(setup: Setup, m: int) -> Check:
    """Whether a run would outlast a crash."""
    b = setup.options.b
    try:
        left = room(setup, m)
    except SaddleproofError as error:
        return Check("slack", str(error), good=False)
    needs = f"the run goes on with {m - b - left} of {m} workers or more"
    if left < 0:
        return Check(
            "slack",
            f"b = {b} of {m}: {b + left + 1} silent workers stop it; {needs}",
            doubtful=True,
        )
    if left == 0:
        text = f"b = {b} of {m} leaves no room for a single crash: {b} may be silent, and {needs}"
        return Check("slack", text, doubtful=True)
    crashes = "crash" if left == 1 else "crashes"
    return Check("slack", f"b = {b} of {m} leaves room for {left} {crashes}; {needs}")


def _problem(setup: Setup) -> Check:
    name = type(setup.problem).__name__
    trainer = f"{type(setup.optimizer).__name__}, {type(setup.aggregator).__name__}"
    return Check("problem", f"{name}, d = {len(setup.problem.start)}; {trainer}")


def _roster(served: Served) -> Check:
    names, pins, m = served.members.names, served.members.pins, served.setup.problem.m
    text = f"{len(names)} workers, {len(pins)} with a pinned key"
    if not names:
        return Check("roster", "no workers", good=False)
    if len(names) != m:
        return Check("roster", f"{text}; the problem has {m} workers", doubtful=True)
    return Check("roster", text)


def _keys(folder: Path) -> Iterator[Check]:
    """The authority's and the server's files, and until when they hold."""
    from saddleproof.fleets.grpc import certificates, keys

    try:
        mine = keys.serving(folder)
        revoked = certificates.revoked(mine.revocations, mine.authority)
    except SaddleproofError as error:
        yield Check("keys", str(error), good=False)
        return
    yield Check("keys", f"{folder}, {len(revoked)} revoked certificates")
    for name, pem in (("authority", mine.authority), ("server", mine.certificate)):
        end = certificates.parsed(pem).not_valid_after_utc
        text = f"its certificate holds until {end:%Y-%m-%d %H:%M} UTC"
        soon = end - datetime.now(UTC) < timedelta(days=_SOON)
        cure = f"; renew it (saddleproof keys renew {folder} {name})" if soon else ""
        yield Check(name, text + cure, doubtful=soon)


def _port(name: str, host: str, port: str) -> Check:
    """Whether somebody may listen there now; nobody does when this returns."""
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        return Check(name, f"{port!r} is no port; needs HOST:PORT, up to 65535", good=False)
    kind, passive = socket.SOCK_STREAM, socket.AI_PASSIVE
    try:
        family, _, _, _, place = socket.getaddrinfo(host or None, port, type=kind, flags=passive)[0]
        with socket.socket(family, kind) as line:
            if os.name == "posix":  # elsewhere it would take a port that is in use
                line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            line.bind(place)
            line.listen()
    except OSError as error:
        return Check(name, f"cannot listen at {host}:{port}: {error}", good=False)
    return Check(name, f"{host}:{port} is free")


def _split(listen: str) -> tuple[str, str]:
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def _files(m: int) -> Check:
    from saddleproof.fleets.grpc.transport import most_connections

    try:
        return Check("connections", f"{most_connections(m)} at a time")
    except SaddleproofError as error:
        return Check("connections", str(error), good=False)


def _run(served: Served) -> Check:
    """What `--resume` would do."""
    from saddleproof.runs.store import Store

    path = served.out / "runs.sqlite"
    if not path.exists():
        return Check("run", "a new one begins")
    try:
        with Store(path) as opened:
            last = opened.last(served.chosen.text)
            if last is None:
                return Check("run", "a new one begins")
            if last.ended is not None:
                return Check("run", f"run {last.id} has ended ({last.status})")
            refuse_led(opened, served.chosen)
    except StoreError as error:
        return Check("run", str(error), good=False)
    return Check("run", f"--resume goes on with run {last.id} after {last.rounds} rounds")


def _disk(served: Served) -> Check:
    """Room for snapshots of the state with which the run begins; later ones may be larger."""
    size = snapshot_size(served.setup)
    there = next(
        path for path in (served.out.absolute(), *served.out.absolute().parents) if path.exists()
    )
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free at {there}; a snapshot begins with {size / 1e3:.0f} kB"
    return Check("disk", text, good=free > 3 * size, doubtful=free < _SNAPSHOTS * size + _BESIDE)


def snapshot_size(setup: Setup) -> int:
    """Bytes of the first state of a run, as the store keeps it."""
    import numpy as np

    from saddleproof.checkpoint import Progressed
    from saddleproof.storage import snapshot

    start: Any = np.asarray(setup.problem.start)
    state = setup.optimizer.init(start, seed=0, max_rounds=setup.options.max_rounds)
    return len(snapshot.dumps(replace(Progressed(0, {}, (), state))))
