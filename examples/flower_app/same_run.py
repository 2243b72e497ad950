"""The same run on one engine after the other: same rounds, same point, same certificate.

python examples/flower_app/same_run.py local
python examples/flower_app/same_run.py ray
python examples/flower_app/same_run.py flower
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

from digits.task import WORKERS, problem, told, train


def local() -> None:
    """Every worker in this process."""
    import saddleproof as sp

    print(told(train(sp.LocalFleet(problem()))))


def ray() -> None:
    """Every worker an actor with its shard."""
    from saddleproof.fleets.ray import RayFleet

    with closing(RayFleet(problem())) as fleet:
        print(told(train(fleet)))


def flower() -> None:
    """Every worker a node of Flower's simulation."""
    os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    from flwr.simulation import run_simulation

    from digits import client, server

    quiet = {"log_to_driver": False, "include_dashboard": False}
    run_simulation(
        server.app,
        client.app,
        num_supernodes=WORKERS,
        backend_config={"init_args": quiet, "client_resources": {"num_cpus": 1}},
    )


if __name__ == "__main__":
    {"local": local, "ray": ray, "flower": flower}[sys.argv[1]]()
