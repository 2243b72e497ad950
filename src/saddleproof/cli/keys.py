"""`saddleproof keys`: the certificates that tell a server and its workers who is who."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_days = click.option(
    "--days", type=click.IntRange(1), default=365, show_default=True, help="Days until they expire."
)


@click.group("keys")
def command() -> None:
    """Make the certificates of a server and its workers."""


@command.command("init")
@_folder
@_days
def init(folder: Path, days: int) -> None:
    """Make a project's authority, and its server's certificate, in FOLDER."""
    from saddleproof.fleets.grpc import keys

    _list(keys.init(folder, days=days))
    click.echo(
        "authority.key decides who belongs to the project: keep it to yourself. The server needs "
        "authority.pem and server.*"
    )


@command.command("issue")
@_folder
@click.argument("names", nargs=-1)
@click.option("--count", type=click.IntRange(1), help="Call N of them worker-0 to worker-(N - 1).")
@_days
def issue(folder: Path, names: tuple[str, ...], count: int | None, days: int) -> None:
    """Make certificates for workers called NAMES, signed by the authority in FOLDER."""
    from saddleproof.fleets.grpc import keys

    wanted = names + tuple(f"worker-{i}" for i in range(count or 0))
    if not wanted:
        raise click.UsageError("give the workers' names, or --count")
    _list(keys.issue(folder, wanted, days=days))
    click.echo("a worker needs authority.pem and its own two files, and nobody else needs those")
    _ends(folder, wanted)
    _pins(folder, wanted)


@command.command("renew")
@_folder
@click.argument("names", nargs=-1, required=True)
@_days
def renew(folder: Path, names: tuple[str, ...], days: int) -> None:
    """Make new certificates for the keys of NAMES: workers, `server`, or `authority` itself."""
    from saddleproof.fleets.grpc import rotation

    _list(rotation.renew(folder, names, days=days))
    click.echo("who uses a certificate needs the new file; a server reads it on SIGHUP")
    _ends(folder, names)


@command.command("revoke")
@_folder
@click.argument("names", nargs=-1, required=True)
def revoke(folder: Path, names: tuple[str, ...]) -> None:
    """Turn away whoever shows the certificates that NAMES have now; `issue` makes new ones."""
    from saddleproof.fleets.grpc import rotation

    _list(rotation.revoke(folder, names))
    click.echo("the server needs authority.crl beside authority.pem, and reads it on SIGHUP")


def _ends(folder: Path, names: Iterable[str]) -> None:
    """Until when the certificates hold; the authority's end is everybody's."""
    from saddleproof.fleets.grpc import certificates, keys

    for name in names:
        shown = certificates.parsed(keys.load(folder, name).certificate)
        click.echo(f"{name}: until {shown.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")


def _pins(folder: Path, names: Iterable[str]) -> None:
    from saddleproof.fleets.grpc import certificates, keys

    click.echo("a roster pins their keys with these lines:")
    for name in names:
        shown = certificates.parsed(keys.load(folder, name).certificate)
        click.echo(f"{name} {certificates.fingerprint(shown)}")


def _list(paths: Iterable[Path]) -> None:
    for path in paths:
        click.echo(str(path))
