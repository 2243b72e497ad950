"""The command line: one file a command, one line here each.

Everything heavy is imported inside the commands: `--help` is quick.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from saddleproof import __version__
from saddleproof.cli.benchmark import command as _benchmark
from saddleproof.cli.compare import compare, demo
from saddleproof.cli.doctor import command as _doctor
from saddleproof.cli.keys import command as _keys
from saddleproof.cli.members import command as _list
from saddleproof.cli.redteam import command as _redteam
from saddleproof.cli.reproduce import command as _reproduce
from saddleproof.cli.run import command as _run
from saddleproof.cli.serve import command as _serve
from saddleproof.cli.terminal import INTERRUPTED
from saddleproof.cli.theory import command as _theory
from saddleproof.cli.worker import command as _worker
from saddleproof.errors import SaddleproofError
from saddleproof.printed import printable


class _Group(click.Group):
    """Errors that the library raises on purpose end in one line, and so does Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SaddleproofError as error:
            raise click.ClickException(printable(str(error), but="\n")) from error
        except KeyboardInterrupt:  # click would answer 1, as for an error
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="saddleproof")
def main() -> None:
    """Train over workers of which some lie, leave saddle points, and know where you ended."""


main.add_command(_benchmark)
main.add_command(compare)
main.add_command(demo)
main.add_command(_doctor)
main.add_command(_keys)
main.add_command(_list)
main.add_command(_redteam)
main.add_command(_reproduce)
main.add_command(_run)
main.add_command(_serve)
main.add_command(_theory)
main.add_command(_worker)
