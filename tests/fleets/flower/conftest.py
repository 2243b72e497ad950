"""Four workers with keys, and nodes of Flower that run their client app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr")  # all of this folder needs the extra


from flower_grid import Federation, node

from saddleproof.fleets.flower import FlowerFleet, client_app, new_key
from saddleproof.fleets.worker import RowOf
from saddleproof.testing import QuarticSaddle


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Private keys of four workers and a stranger as files, and the workers' public ones."""
    new_key(tmp_path / "eve")
    return {f"worker-{i}": new_key(tmp_path / f"worker-{i}") for i in range(4)}


@pytest.fixture
def honest(tmp_path: Path, keys: Any) -> Any:
    app = client_app(RowOf(QuarticSaddle(m=4)), lambda context: context.node_config["partition-id"])
    return lambda i, **config: node(
        app, i, **({"key-file": str(tmp_path / f"worker-{i}")} | config)
    )


@pytest.fixture
def federation() -> Federation:
    return Federation()


@pytest.fixture
def joined(tmp_path: Path, federation: Federation) -> Any:
    """joined(problem): a fleet of its workers, with keys."""

    def make(problem: Any) -> FlowerFleet:
        over_shards = hasattr(problem, "shards")
        loss = problem.loss if over_shards else RowOf(problem)
        shards = problem.shards if over_shards else range(problem.m)
        app = client_app(loss, lambda context: shards[context.node_config["partition-id"]])
        roster = {f"worker-{i}": new_key(tmp_path / f"its-{i}") for i in range(problem.m)}
        for i in range(problem.m):
            federation.join(node(app, i, **{"key-file": str(tmp_path / f"its-{i}")}))
        return FlowerFleet(federation, roster)

    return make
