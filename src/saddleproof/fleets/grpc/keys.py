"""One authority for a project, and certificates that carry the workers' names.

    folder/authority.pem    everyone has it: who signed by it belongs to the project
    folder/authority.key    whoever has it decides who belongs; keep it off the server
    folder/server.pem .key  the server's
    folder/NAME.pem .key    one worker's; it needs these two and authority.pem, nothing else
    folder/authority.crl    what was revoked, where something was; the server needs it

Keys are ECDSA on P-256, in files of mode 0600 that are never overwritten. A key is written before
its certificate: where somebody was stopped in between, the same command makes the certificate that
is missing. A server's certificate
serves and a worker's asks (extended key usage), and the server's name is the same wherever it
runs: a worker cannot pose as the server, and the server's address may change. No certificate
outlives the authority's. `rotation` renews and revokes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.grpc import certificates, signing
from saddleproof.storage import files

AUTHORITY, SERVER = "authority", "server"
#: What a worker may be called; the X.509 common name holds 64 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Credentials:
    """What one party shows and trusts, as PEM; the private key is never printed."""

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)
    revocations: bytes = field(default=b"", repr=False)


def init(folder: str | os.PathLike[str], *, days: int = 365) -> tuple[Path, ...]:
    """Make a project's authority and its server's certificate.

    Args:
        folder: made with mode 0700 when missing.
        days: how long the certificates hold.

    Returns:
        The files that were written: those that are missing, where an authority or a key is there.

    Raises:
        FleetError: all of the files are there already, one is there without the key that it
            belongs to, or a file cannot be written.
    """
    home = folder_of(folder)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise FleetError(f"cannot make {home}: {error.strerror}") from error
    begun = _whole(home, AUTHORITY)
    _refuse_whole(home, (SERVER,))
    made: tuple[Path, ...] = ()
    if not begun:
        key = _key_of(home, AUTHORITY)
        made = _write_pair(home, AUTHORITY, signing.authority(key, days), key)
    return made + _issue(home, SERVER, days)


def issue(
    folder: str | os.PathLike[str], names: Iterable[str], *, days: int = 365
) -> tuple[Path, ...]:
    """Make the certificates of workers, signed by the folder's authority.

    Args:
        folder: the authority's.
        names: the workers'.
        days: how long the certificates hold; they end with the authority's at the latest.

    Raises:
        OptionError: a name that a certificate or a file cannot carry, or a day beyond the calendar.
        FleetError: there is no authority, or it has expired; a pair is there already, a certificate
            is there without its key, or a file cannot be written.
    """
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if not _NAME.fullmatch(name) or name in (AUTHORITY, SERVER):
            raise OptionError(
                f"a worker's name has up to 64 letters, digits, '.', '_' and '-', and is neither "
                f"'{AUTHORITY}' nor '{SERVER}'; got {name!r}"
            )
    home = folder_of(folder)
    _refuse_whole(home, wanted)
    return tuple(path for name in wanted for path in _issue(home, name, days))


def load(folder: str | os.PathLike[str], name: str = SERVER) -> Credentials:
    """One party's credentials from its files, and the revocation list where there is one.

    Raises:
        FleetError: a file is missing; the message names it.
    """
    home = folder_of(folder)
    revocations = home / f"{AUTHORITY}.crl"
    return Credentials(
        _read(home / f"{AUTHORITY}.pem"),
        _read(home / f"{name}.pem"),
        _read(home / f"{name}.key"),
        _read(revocations) if revocations.exists() else b"",
    )


def serving(keys: str | os.PathLike[str] | Credentials) -> Credentials:
    """The credentials of a server, in time.

    Args:
        keys: the folder, or the credentials themselves.

    Raises:
        FleetError: a file is missing, a certificate has expired or does not hold yet, or the
            files do not belong together.
    """
    found = keys if isinstance(keys, Credentials) else load(keys)
    renew = "Renew it with `saddleproof keys renew FOLDER NAME`"
    certificates.check_in_time(found.authority, "the authority", renew)
    certificates.check_in_time(found.certificate, "the server", renew)
    shown = certificates.parsed(found.certificate)
    if private(found.key, "the server's key").public_key() != shown.public_key():
        raise FleetError("the server's key is not that of its certificate. Put the right one back")
    certificates.check_signed(shown, certificates.parsed(found.authority), "the server")
    return found


def authority_of(home: Path) -> tuple[Any, Any]:
    """The authority's certificate and key.

    Raises:
        FleetError: one is missing or unreadable, or they do not belong together.
    """
    authority = certificates.parsed(_read(home / f"{AUTHORITY}.pem"))
    signer = key_in(home / f"{AUTHORITY}.key")
    if signer.public_key() != authority.public_key():
        raise FleetError(
            f"{home / AUTHORITY}.key is not the key of {AUTHORITY}.pem. Put the right one back"
        )
    return authority, signer


def certified(home: Path, name: str, public_key: object, days: int) -> Any:
    """A certificate for this name and key, signed by the folder's authority.

    Raises:
        FleetError: as `authority_of`; or the authority has expired.
        OptionError: the day is beyond the calendar.
    """
    authority, signer = authority_of(home)
    certificates.check_in_time(
        _read(home / f"{AUTHORITY}.pem"),
        "the authority",
        f"Renew it with `saddleproof keys renew {home} {AUTHORITY}`",
    )
    serves = name == SERVER
    subject = signing.SERVER_NAME if serves else name
    return signing.party(authority, signer, subject, public_key, days, serves=serves)


def _issue(home: Path, name: str, days: int) -> tuple[Path, ...]:
    key = _key_of(home, name)
    return _write_pair(home, name, certified(home, name, key.public_key(), days), key)


def _write_pair(home: Path, name: str, certificate: Any, key: Any) -> tuple[Path, ...]:
    from cryptography.hazmat.primitives import serialization as to

    private = key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
    pair = {"key": private, "pem": certificate.public_bytes(to.Encoding.PEM)}
    written = []
    for end, data in pair.items():
        path = home / f"{name}.{end}"
        if end == "key" and path.exists():  # this certificate is made for it
            continue
        try:
            files.create(path, data)
        except OSError as error:
            raise FleetError(f"cannot write {path}: {error.strerror}") from error
        written.append(path)
    return tuple(written)


def _whole(home: Path, name: str) -> bool:
    """Whether both halves of a pair are there; a key alone waits for its certificate.

    Raises:
        FleetError: a certificate without its key, or a link in the place of a key.
    """
    key, certificate = home / f"{name}.key", home / f"{name}.pem"
    if certificate.exists() and not key.exists() and not key.is_symlink():
        raise FleetError(
            f"{certificate} is there without {key.name}. Put the key back; if it is lost, remove "
            f"{certificate.name}, and make the pair anew"
            + (": all others then need new certificates too" if name == AUTHORITY else "")
        )
    return certificate.exists() or certificate.is_symlink() or key.is_symlink()


def _refuse_whole(home: Path, names: Iterable[str]) -> None:
    for name in names:
        if _whole(home, name):
            raise FleetError(f"{home / name}.key is there already; keys are never overwritten")


def _key_of(home: Path, name: str) -> Any:
    """The key that waits for its certificate, or else a new one."""
    _, ec = certificates.library()
    path = home / f"{name}.key"
    return key_in(path) if path.exists() else ec.generate_private_key(ec.SECP256R1())


def key_in(path: Path) -> Any:
    """The private key in a file.

    Raises:
        FleetError: the file is missing, or holds no ECDSA key.
    """
    _, ec = certificates.library()
    key = private(_read(path), str(path))
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FleetError(f"{path} is no ECDSA key. Remove it, and run again")
    return key


def private(pem: bytes, what: str) -> Any:
    """The private key in PEM.

    Args:
        pem: its text.
        what: what the message calls it.

    Raises:
        FleetError: it is none.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise FleetError(f"{what} is no private key: {error}. Remove it, and run again") from error


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder, with `~` expanded.

    Raises:
        FleetError: there is no home folder to expand it to.
    """
    try:
        return files.expanded(path)
    except OSError as error:
        raise FleetError(str(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FleetError(
            f"cannot read {path}: {error.strerror}. `saddleproof keys` makes the files"
        ) from error
