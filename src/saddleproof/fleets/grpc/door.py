"""Who may come in: what the roster, the pins and the revocation list say of a certificate.

TLS has proved that the peer holds the certificate's key, and that the project's authority signed
the certificate. What is left to ask is whether this certificate is still wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

    def refusal(self, name: str, certificate: bytes) -> str | None:
        """Why the holder of this certificate is turned away; None when it is not.

        Args:
            name: the certificate's common name.
            certificate: as PEM.
        """
        shown = certificates.parsed(certificate)
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


def identity(context: Any) -> tuple[str, bytes]:
    """The name in a peer's certificate, and the certificate as PEM.

    The name is "" when the certificate has not exactly one common name.
    """
    said = context.auth_context()
    names, shown = said.get("x509_common_name", []), said.get("x509_pem_cert", [b""])
    return names[0].decode(errors="replace") if len(names) == 1 else "", shown[0]
