"""`saddleproof worker`: one worker of a run that `saddleproof serve` leads."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof.cli import logs
from saddleproof.cli.signals import stopping
from saddleproof.cli.terminal import STUCK, import_option
from saddleproof.errors import ConfigError, FleetError, OptionError
from saddleproof.printed import printable

if TYPE_CHECKING:
    from saddleproof.arrays import Vector
    from saddleproof.fleets.grpc.client import Answerer, Client
    from saddleproof.questions import Question


class _Refused(click.ClickException):
    """What dialing in again does not mend: the server refuses this worker, or it the server."""

    exit_code = STUCK


@click.command("worker")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--server", required=True, help="HOST:PORT of the server.")
@click.option("--name", required=True, help="Whose certificate to show.")
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    default="saddleproof-keys",
    show_default=True,
    help="Folder of authority.pem and this worker's two files.",
)
@click.option(
    "--load",
    "loader",
    metavar="PACKAGE.MODULE:FUNCTION",
    help="Called here without arguments; returns this worker's loss and data.",
)
@click.option(
    "--index",
    type=click.IntRange(0),
    help="Which shard of CONFIG's problem, from 0; the number that ends the name unless given.",
)
@click.option("--attack", is_flag=True, help="For experiments: lie as CONFIG's [attack] says.")
@import_option
@click.option("--leash", is_flag=True, help="End when standard input does, with who started this.")
@logs.format_option
@logs.level_option("warning")
def command(
    config: Path | None,
    server: str,
    name: str,
    keys: Path,
    loader: str | None,
    index: int | None,
    log_format: str,
    log_level: str,
    *,
    imports: tuple[str, ...],
    attack: bool,
    leash: bool,
) -> None:
    """Answer the server's questions until it says that the run is done.

    The data are this worker's own: either what --load returns, or, for experiments, one shard of
    the problem of CONFIG. The server sends numbers, and never code.
    """
    from saddleproof.fleets.grpc.client import Client, honest
    from saddleproof.fleets.grpc.keys import load

    if (config is None) == (loader is None):
        raise click.UsageError("give either CONFIG or --load")
    logs.begin(log_format, log_level, about=name)
    # SIGTERM and Ctrl-C mean: hang up, and end in order. The round that is open goes on without us.
    with stopping(), contextlib.suppress(KeyboardInterrupt):
        load(keys, name)  # what is wrong with the files is said at once
        if loader is not None:
            answer = honest(_loaded(loader))
        else:
            assert config is not None  # noqa: S101 (for the type checker: one of them is given)
            own = _position(name) if index is None else index
            answer = from_config(config, own, attack=attack, imports=imports)
        client = Client(answer, server, lambda: load(keys, name))
        if leash:
            threading.Thread(target=_until_it_ends, args=(client,), daemon=True).start()
        try:
            client.run()
        except FleetError as error:
            raise _Refused(printable(str(error))) from error


def from_config(
    config: Path, index: int, *, attack: bool, imports: tuple[str, ...] = ()
) -> Answerer:
    """The answer of worker `index` of a configuration's problem, as its own process gives it.

    A liar of an omniscient coalition has to know what the others say. It computes that here, from
    the configuration: all m workers' answers, the coalition's lies among them, of which it sends
    its own. Who was late or is excluded by now it does not know.

    Raises:
        ConfigError: no such worker, or no attack.
    """
    from saddleproof.config.parse import load
    from saddleproof.config.setup import build
    from saddleproof.fleets.base import Announcement
    from saddleproof.fleets.local import LocalFleet
    from saddleproof.fleets.worker import workers_of
    from saddleproof.questions import Gradients

    chosen = load(config, imports)
    setup = build(chosen)
    liars = chosen.main.liars
    if attack and liars is None:
        raise ConfigError(f"{config} has no [attack] to follow")
    fleet = setup.fleet if attack else LocalFleet(setup.problem)
    if not 0 <= index < len(fleet.workers):
        raise ConfigError(f"{config} has {len(fleet.workers)} workers; there is no number {index}")
    fleet.announce(Announcement(setup.aggregator.estimates, setup.options.b, setup.optimizer))

    own = workers_of(setup.problem)[index]

    def answer(question: Question, round_id: int, *, losses: bool) -> tuple[Vector, Vector | None]:
        if not attack and not isinstance(question, Gradients):
            return own.vote(question)
        said = fleet.ask(question, round_id=round_id)
        told = said.loss_answers
        if losses and told is None:
            raise FleetError("the server asks for losses; CONFIG's optimizer needs none")
        return said.answers[index], told[index] if losses and told is not None else None

    return answer


def _until_it_ends(client: Client) -> None:
    """Stop with standard input: a pipe's other end closes with its process, kill -9 or not."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    client.stop()


def _loaded(name: str) -> Any:
    """A worker from `package.module:function`."""
    from saddleproof.fleets.worker import Worker

    module, _, function = name.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"cannot load {name!r}: {error}") from error
    try:
        loss, data = make()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must return a loss and its data: {error}") from error
    return Worker(loss, data)


def _position(name: str) -> int:
    """The number at the end of a name, as in worker-3."""
    digits = name.rpartition("-")[2]
    if not digits.isdecimal():
        raise OptionError(f"{name!r} does not end in a number; give --index")
    return int(digits)
