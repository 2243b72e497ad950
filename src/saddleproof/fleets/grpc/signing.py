"""How the authority signs: what stands in a certificate, and until when it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from saddleproof.errors import OptionError
from saddleproof.fleets.grpc import certificates

#: What a worker expects to find in the server's certificate.
SERVER_NAME = "saddleproof-server"
#: Clocks of different machines differ.
_SKEW = timedelta(minutes=5)


def authority(key: Any, days: int) -> Any:
    """A certificate of the authority that has this key."""
    x509, _ = certificates.library()
    name = _named(x509, "saddleproof authority")
    return (
        _draft(x509, name, name, key.public_key(), _end(days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(x509, signs_certificates=True), critical=True)
        .sign(key, sha256())
    )


def party(
    authority: Any, signer: Any, subject: str, public_key: Any, days: int, *, serves: bool
) -> Any:
    """A party's certificate, which ends with the authority's at the latest.

    Args:
        authority: the authority's certificate.
        signer: its key.
        subject: the party's name.
        public_key: the party's.
        days: how long the certificate holds.
        serves: whether it is for a server, or else for a worker.

    Raises:
        OptionError: the day is beyond the calendar.
    """
    x509, _ = certificates.library()
    until = min(_end(days), authority.not_valid_after_utc)
    purpose = x509.oid.ExtendedKeyUsageOID
    return (
        _draft(x509, _named(x509, subject), authority.subject, public_key, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(x509, signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([purpose.SERVER_AUTH if serves else purpose.CLIENT_AUTH]),
            critical=True,
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(signer, sha256())
    )


def _end(days: int) -> datetime:
    try:
        return datetime.now(UTC) + timedelta(days=days)
    except OverflowError as error:
        raise OptionError(f"a certificate ends before the year 10000; got {days} days") from error


def _draft(x509: Any, subject: Any, issuer: Any, public_key: Any, until: datetime) -> Any:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(x509: Any, *, signs_certificates: bool) -> Any:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(x509: Any, name: str) -> Any:
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])


def sha256() -> Any:
    """The hash of every signature."""
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()
