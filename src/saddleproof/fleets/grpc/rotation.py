"""Certificates that get old, and keys that get lost: renewal and revocation.

A renewed certificate is for the same key and the same name, and takes the place of the old one. The
authority renews itself in the same way: its key and its name stay, so all certificates that it
signed still hold. A revoked certificate is on a list that the authority signs (RFC 5280), which the
server reads when it starts and on SIGHUP; its files go to `revoked/`, and `keys.issue` makes a new
pair for the name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import certificates, keys, signing
from saddleproof.storage import files


def renew(
    folder: str | os.PathLike[str], names: Iterable[str], *, days: int = 365
) -> tuple[Path, ...]:
    """Make new certificates for keys that are there already.

    Args:
        folder: the authority's.
        names: workers, `server`, or `authority`, which is renewed before the others.
        days: how long the certificates hold from now on; they end with the authority's at the
            latest.

    Returns:
        The certificates that were replaced. Whoever uses one needs the new file; the authority's is
        everybody's, and the old one serves until it ends.

    Raises:
        FleetError: a certificate is missing or was revoked, the authority's key is not here, the
            authority has expired, or a file cannot be written.
    """
    home, wanted = keys.folder_of(folder), sorted(set(names), key=lambda n: n != keys.AUTHORITY)
    authority, signer = keys.authority_of(home)
    revoked = certificates.revoked(_list(home), _pem(authority))
    old = {name: _certificate(home, name) for name in wanted}
    for name, certificate in old.items():
        if certificate.serial_number in revoked:
            raise FleetError(f"the certificate of {name} is revoked; issue a new pair instead")
    written = []
    for name, certificate in old.items():
        if name == keys.AUTHORITY:
            renewed = signing.authority(signer, days)
        else:
            renewed = keys.certified(home, name, certificate.public_key(), days)
        written.append(_replace(home / f"{name}.pem", _pem(renewed)))
    return tuple(written)


def revoke(folder: str | os.PathLike[str], names: Iterable[str]) -> tuple[Path, ...]:
    """Put the certificates of workers on the revocation list, and their files aside.

    Args:
        folder: the authority's.
        names: workers, or `server`.

    Returns:
        The list, and where the files are now. The server needs the list.

    Raises:
        FleetError: a certificate is missing, it is the authority's own, the authority's key is not
            here, or a file cannot be written.
    """
    home, wanted = keys.folder_of(folder), tuple(dict.fromkeys(names))
    if keys.AUTHORITY in wanted:
        raise FleetError(
            "an authority cannot revoke itself. Make a new one in another folder with `saddleproof "
            "keys init`, and issue everybody's certificates there"
        )
    authority, signer = keys.authority_of(home)
    known = certificates.revoked(_list(home), _pem(authority))
    gone = {name: _certificate(home, name).serial_number for name in wanted}
    written = [
        _replace(
            home / f"{keys.AUTHORITY}.crl", _signed(authority, signer, {*known, *gone.values()})
        )
    ]
    aside = home / "revoked"
    try:
        aside.mkdir(mode=0o700, exist_ok=True)
        for name, serial in gone.items():
            for end in ("pem", "key"):
                path = home / f"{name}.{end}"
                if path.exists():
                    written.append(path.replace(aside / f"{name}-{serial:x}.{end}"))
    except OSError as error:
        raise FleetError(
            f"{', '.join(wanted)}: revoked, but the files cannot be moved to {aside}: "
            f"{error.strerror}. Move them by hand"
        ) from error
    return tuple(written)


def _signed(authority: Any, signer: Any, serials: set[int]) -> bytes:
    """A revocation list of these serial numbers, as PEM."""
    from cryptography.hazmat.primitives import serialization as to

    x509, _ = certificates.library()
    now = datetime.now(UTC)
    draft = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now)
        .next_update(max(authority.not_valid_after_utc, now))
    )
    for serial in sorted(serials):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        draft = draft.add_revoked_certificate(entry.build())
    pem: bytes = draft.sign(signer, signing.sha256()).public_bytes(to.Encoding.PEM)
    return pem


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as to

    pem: bytes = certificate.public_bytes(to.Encoding.PEM)
    return pem


def _certificate(home: Path, name: str) -> Any:
    path = home / f"{name}.pem"
    try:
        return certificates.parsed(path.read_bytes())
    except OSError as error:
        raise FleetError(f"cannot read {path}: {error.strerror}") from error


def _list(home: Path) -> bytes:
    path = home / f"{keys.AUTHORITY}.crl"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FleetError(f"cannot read {path}: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> Path:
    try:
        files.replace(path, data)
    except OSError as error:
        raise FleetError(f"cannot write {path}: {error.strerror}") from error
    return path
