"""What both ends tell gRPC: no protobuf, no compression, small messages, quick news of the dead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from saddleproof.errors import FleetError, MissingExtraError
from saddleproof.fleets.grpc.header import LONGEST
from saddleproof.fleets.grpc.keys import Credentials
from saddleproof.fleets.grpc.signing import SERVER_NAME

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


#: Seconds until a connection that does not shake hands, or has no stream, is closed.
_HANDSHAKE, _IDLE = 10.0, 5.0
#: Seconds after which a connection may open no further stream; the stream that it has goes on.
_AGE = 60.0
#: Descriptors that connections never take: a save, a log and an import need some.
_RESERVE = 64
#: Connections beside one a worker, without which nobody could dial in again.
_AGAIN = 16


def most_connections(m: int) -> int:
    """How many connections a server of m workers holds at a time.

    Sixteen a worker and at least 256, as far as the process may open files. A peer that floods the
    port takes none of the descriptors that are kept back.

    Raises:
        FleetError: there are not as many as workers, and `_AGAIN` for those who dial in again.
    """
    most = max(256, 16 * m)
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return most
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return most
    room = soft - _descriptors() - _RESERVE
    if room < m + _AGAIN:
        raise FleetError(
            f"this process may open {soft} files, which leaves {max(room, 0)} connections; a server"
            f" of {m} workers needs {m + _AGAIN}. Raise the limit (ulimit -n "
            f"{soft + m + _AGAIN - room})"
        )
    return min(most, room)


def _descriptors() -> int:
    """How many descriptors are open now; 0 where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return sum(1 for _ in Path(folder).iterdir())
    return 0


def server_options(keepalive: float, connections: int = 256) -> list[tuple[str, Any]]:
    """Options of the server.

    Args:
        keepalive: a silent connection is dead after two of these seconds.
        connections: the most that it holds at a time; a further one is closed at once.
    """
    return [
        *_BOTH,
        *_keepalive(keepalive),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.max_concurrent_streams", 2),  # a worker has one; the second is its replacement
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.server_handshake_timeout_ms", int(_HANDSHAKE * 1000)),
        ("grpc.max_connection_idle_ms", int(_IDLE * 1000)),
        ("grpc.max_connection_age_ms", int(_AGE * 1000)),
        ("grpc.so_reuseport", 0),  # two servers on one port would share the workers
    ]


def server_credentials(credentials: Credentials, began: Callable[[], Credentials | None]) -> Any:
    """TLS that shows the server's certificate and asks for one of the same authority.

    Args:
        credentials: the server's.
        began: called before every handshake, in a thread of gRPC's. How it ends is never told. It
            returns new credentials, or None to leave those that are shown.
    """
    grpc = library()

    def shown(mine: Credentials) -> Any:
        return grpc.ssl_server_certificate_configuration(
            [(mine.key, mine.certificate)], root_certificates=mine.authority
        )

    def fetched() -> Any:
        renewed = began()
        return None if renewed is None else shown(renewed)

    return grpc.dynamic_ssl_server_credentials(
        shown(credentials), fetched, require_client_authentication=True
    )


async def serve(
    talk: Callable[[Any, Any], Coroutine[Any, Any, None]],
    listen: str,
    tls: object,
    options: list[tuple[str, Any]],
) -> tuple[Any, str]:
    """A server whose one method is `talk`, and its "host:port".

    Raises:
        FleetError: it cannot listen there.
    """
    grpc = library()
    server = grpc.aio.server(options=options)
    handler = grpc.stream_stream_rpc_method_handler(talk)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    )
    try:
        port = server.add_secure_port(listen, tls)
        await server.start()
    except RuntimeError as error:
        raise FleetError(f"cannot listen at {listen}: {error}") from error
    return server, f"{listen.rpartition(':')[0]}:{port}"


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
    # Its own lines on stderr, one for every handshake that fails, would let a peer fill a disk.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
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
