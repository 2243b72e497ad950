"""What both ends tell gRPC: no protobuf, no compression, small messages, quick news of the dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saddleproof.errors import MissingExtraError
from saddleproof.fleets.grpc.header import LONGEST
from saddleproof.fleets.grpc.keys import SERVER_NAME, Credentials

SERVICE, METHOD = "saddleproof.Fleet", "Rounds"
PATH = f"/{SERVICE}/{METHOD}"

_BOTH: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", LONGEST),
    ("grpc.max_send_message_length", LONGEST),
    ("grpc.max_metadata_size", 8192),
    # A frame of numbers hardly shrinks; a hostile one would unpack to gigabytes.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.per_message_decompression", 0),
    ("grpc.enable_retries", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # The probe widens the window with the latency of the link: a peer far away could have gigabytes
    # on the way to us. Without it a stream holds what we look ahead, and the frame that we read.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 18),
)


def server_options(keepalive: float) -> list[tuple[str, Any]]:
    """Options of the server; a silent connection is dead after two `keepalive` seconds."""
    return [
        *_BOTH,
        *_keepalive(keepalive),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.max_concurrent_streams", 2),  # a worker has one; the second is its replacement
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.so_reuseport", 0),  # two servers on one port would share the workers
    ]


def server_credentials(credentials: Credentials, began: Callable[[], None]) -> Any:
    """TLS that shows the server's certificate and asks for one of the same authority.

    Args:
        credentials: the server's.
        began: called before every handshake, in a thread of gRPC's. How it ends is never told.
    """
    grpc = library()
    shown = grpc.ssl_server_certificate_configuration(
        [(credentials.key, credentials.certificate)], root_certificates=credentials.authority
    )
    # It may hand over a new certificate; None leaves the one that is shown.
    return grpc.dynamic_ssl_server_credentials(shown, began, require_client_authentication=True)


def channel(address: str, credentials: Credentials, keepalive: float = 10.0) -> Any:
    """A worker's channel to the server; who answers must hold the project's server certificate."""
    grpc = library()
    options = [
        *_BOTH,
        *_keepalive(keepalive),
        ("grpc.ssl_target_name_override", SERVER_NAME),
        # The worker has its own backoff; another attempt must not wait for an older one's.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.enable_http_proxy", 0),
    ]
    tls = grpc.ssl_channel_credentials(
        credentials.authority, credentials.key, credentials.certificate
    )
    return grpc.secure_channel(address, tls, options=options)


def library() -> Any:
    """The gRPC library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import grpc
    except ImportError as error:
        raise MissingExtraError("grpcio", "grpc") from error
    return grpc


def _keepalive(seconds: float) -> tuple[tuple[str, Any], ...]:
    return (
        ("grpc.keepalive_time_ms", int(seconds * 1000)),
        ("grpc.keepalive_timeout_ms", int(seconds * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.ping_timeout_ms", int(seconds * 1000)),
    )
