"""Workers that distrust each other: gRPC with mutual TLS, and raw frames of known size.

One gradient's walk: `fleet.GrpcFleet` asks over `frames`, `worker.Worker` answers, and `desk.Desk`
judges every frame that comes back. `keys` makes the certificates that names come from.
"""
