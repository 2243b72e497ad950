"""What a certificate says: its key's fingerprint and strength, and until when it holds.

A fingerprint is `sha256:` and 64 hexadecimal digits, of the public key alone (its DER encoding as
SubjectPublicKeyInfo), as in `openssl pkey -pubin -outform der | sha256sum`. A renewed certificate
of the same key has the same one.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from saddleproof.errors import FleetError, MissingExtraError

#: Bits below which a key is weak, for the kinds that NIST SP 800-57 allows until 2030.
_RSA, _CURVE = 2048, 256


def library() -> tuple[Any, Any]:
    """The modules `x509` and `ec` of cryptography.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise MissingExtraError("cryptography", "grpc") from error
    return x509, ec


def parsed(certificate: bytes) -> Any:
    """The certificate, from PEM.

    Raises:
        FleetError: the bytes are no certificate.
    """
    x509, _ = library()
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise FleetError(f"these bytes are no certificate: {error}") from error


def name(certificate: Any) -> str:
    """The common name; "" when there is not exactly one."""
    x509, _ = library()
    found = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def fingerprint(certificate: Any) -> str:
    """`sha256:` and the digest of the certificate's public key."""
    from cryptography.hazmat.primitives import serialization as to

    key = certificate.public_key().public_bytes(
        to.Encoding.DER, to.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def weakness(certificate: Any) -> str | None:
    """Why the certificate's key is weak; None when it is not."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    key = certificate.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return f"a key of the kind {type(key).__name__}; needs ECDSA, Ed25519 or RSA"
    bits = _RSA if isinstance(key, rsa.RSAPublicKey) else _CURVE
    return f"a key of {key.key_size} bits; needs {bits}" if key.key_size < bits else None


def check_in_time(certificate: bytes, whose: str, cure: str) -> None:
    """That a certificate holds now.

    Args:
        certificate: as PEM.
        whose: whose it is, for the message.
        cure: what to do, for the message.

    Raises:
        FleetError: it expired, or does not hold yet.
    """
    shown, now = parsed(certificate), datetime.now(UTC)
    if now > shown.not_valid_after_utc:
        raise FleetError(
            f"the certificate of {whose} expired on {shown.not_valid_after_utc:%Y-%m-%d %H:%M} UTC."
            f" {cure}"
        )
    if now < shown.not_valid_before_utc:
        raise FleetError(
            f"the certificate of {whose} holds from {shown.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            f" on, and this machine's clock says {now:%Y-%m-%d %H:%M}. Set the clock"
        )


def check_signed(certificate: Any, authority: Any, whose: str) -> None:
    """That the authority signed the certificate.

    Raises:
        FleetError: it did not.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise FleetError(
            f"the certificate of {whose} is not signed by this authority. Put the files of one "
            "authority together"
        ) from error


def revoked(revocations: bytes, authority: bytes) -> frozenset[int]:
    """The serial numbers of a revocation list.

    Args:
        revocations: the list, as PEM; b"" where there is none.
        authority: the certificate of who must have signed it, as PEM.

    Raises:
        FleetError: it is no revocation list, or somebody else's.
    """
    if not revocations:
        return frozenset()
    x509, _ = library()
    try:
        found = x509.load_pem_x509_crl(revocations)
    except ValueError as error:
        raise FleetError(f"the revocation list cannot be read: {error}") from error
    if not found.is_signature_valid(parsed(authority).public_key()):
        raise FleetError("the revocation list is not signed by the project's authority")
    return frozenset(entry.serial_number for entry in found)
