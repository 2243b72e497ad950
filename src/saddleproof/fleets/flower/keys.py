"""One Ed25519 key a worker: who signed an answer is who voted.

Flower hands over a reply with the sender's number as the sender wrote it. So a worker signs its
answer together with the question, and with the node that was asked:

    sign(tag, session, ask, node, name, encoding, shape, SHA-256 of the numbers)

An answer of yesterday, of another run, of another node or with other numbers does not verify.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddleproof.errors import MissingExtraError, OptionError

_TAG = b"saddleproof answer 1"


def new_key(path: str | os.PathLike[str]) -> str:
    """Make a worker's private key, a file of mode 0600 that is never overwritten.

    Args:
        path: where the worker keeps it; `key-file` in its node configuration points here.

    Returns:
        The public key in hexadecimal, for the roster of `server_app`.

    Raises:
        FileExistsError: there is a file already.
    """
    made = _ed25519().Ed25519PrivateKey.generate()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(made.private_bytes_raw().hex() + "\n")
    public: bytes = made.public_key().public_bytes_raw()
    return public.hex()


def sign(path: str | os.PathLike[str], text: bytes) -> bytes:
    """The 64 bytes of signature of `text` by the key that `new_key` wrote to `path`."""
    raw = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    signature: bytes = _ed25519().Ed25519PrivateKey.from_private_bytes(raw).sign(text)
    return signature


def verifies(public: Any, signature: bytes, text: bytes) -> bool:
    """Whether `signature` of `text` is by the owner of `public`."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def public_keys(roster: Mapping[str, str]) -> dict[str, Any]:
    """Worker to public key, from hexadecimal.

    Raises:
        OptionError: something is no public key, or two workers have the same.
    """
    make = _ed25519().Ed25519PublicKey.from_public_bytes
    try:
        raw = {name: bytes.fromhex(key) for name, key in roster.items()}
        made = {name: make(key) for name, key in raw.items()}
    except ValueError as error:
        raise OptionError(
            f"a public key is 64 hexadecimal digits, as new_key returns them: {error}"
        ) from error
    if len(set(raw.values())) < len(raw):
        raise OptionError("two workers have the same key: a key is one vote, make another")
    return made


def text_of(
    *, session: bytes, ask: int, node: int, name: str, arrays: Mapping[str, tuple[str, Any, bytes]]
) -> bytes:
    """What is signed: the question, who answers, and what, each part with its length.

    Args:
        session: of the server's process.
        ask: number of the question in it.
        node: the Flower node that was asked.
        name: the worker.
        arrays: name to (encoding, shape, bytes) of what is sent; whatever is judged is signed.
    """
    parts = [_TAG, session, str(ask).encode(), str(node).encode(), name.encode()]
    for key, (encoding, shape, data) in sorted(arrays.items()):
        parts += [key.encode(), encoding.encode(), str(tuple(shape)).encode()]
        parts.append(hashlib.sha256(data).digest())
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError("cryptography", "flower") from error
    return ed25519
