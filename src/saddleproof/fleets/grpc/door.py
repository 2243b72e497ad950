"""Who may come in: what the roster, the pins and the revocation list say of a certificate.

TLS has proved that the peer holds the certificate's key, and that the project's authority signed
the certificate. What is left to ask is whether this certificate is still wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import certificates


@dataclass(frozen=True)
class Door:
    """What is asked of everybody who dials in.

    Args:
        pins: worker to the fingerprint that its key must have; a worker without a pin may show any
            key that the authority signed for its name.
        left: workers of the roster at the start whom a later roster does not name any more.
        revoked: serial numbers of certificates that were revoked.
    """

    pins: Mapping[str, str] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    revoked: frozenset[int] = frozenset()

    def refusal(self, name: str, shown: Any) -> str | None:
        """Why the holder of a certificate is turned away; None when it is not.

        Args:
            name: the certificate's common name.
            shown: the certificate.
        """
        if shown.serial_number in self.revoked:
            return f"the certificate with serial number {shown.serial_number:x} is revoked"
        if weakness := certificates.weakness(shown):
            return weakness
        if name in self.left:
            return "no longer on the roster"
        found = certificates.fingerprint(shown)
        if self.pins.get(name, found) != found:
            return f"the roster pins the key {self.pins[name]}; this one is {found}"
        return None


def identity(context: Any) -> tuple[str, Any]:
    """The name in a peer's certificate, and the certificate.

    The name is "" when the certificate has not exactly one common name, or cannot be read. gRPC
    itself tells the first of several names.
    """
    try:
        shown = certificates.parsed(context.auth_context()["x509_pem_cert"][0])
        return certificates.name(shown), shown
    except (KeyError, FleetError):
        return "", None
