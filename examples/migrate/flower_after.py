"""The app of `flower_before.py`, whose server does not believe its clients.

python examples/migrate/flower_after.py
"""

from __future__ import annotations

import os
import sys

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from saddleproof.flower import RobustStrategy

CLIENTS, LIARS, ROUNDS = 10, 3, 10
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0

client, server = ClientApp(), ServerApp()


def net() -> nn.Module:
    """64 pixels to 10 classes."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def rows(client: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A client's images and labels; those of client 10 are the server's test set."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))
    own = order[client * 150 : (client + 1) * 150] if client < CLIENTS else order[CLIENTS * 150 :]
    return torch.tensor(images[own] / 16, dtype=torch.float32), torch.tensor(labels[own])


@client.train()
def train(message: Message, context: Context) -> Message:
    """Ten steps on all rows; a liar turns its update around."""
    me = int(context.node_config["partition-id"])
    model, (images, labels) = net(), rows(me)
    before = message.content["arrays"].to_torch_state_dict()
    model.load_state_dict(before)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(10):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
    after = model.state_dict()
    if me < LIARS:
        after = {name: before[name] - 5 * (after[name] - before[name]) for name in after}
    records = {
        "arrays": ArrayRecord(after),
        "metrics": MetricRecord({"num-examples": len(images)}),
    }
    return Message(RecordDict(records), reply_to=message)


def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
    """Accuracy on the server's own images."""
    model, (images, labels) = net(), rows(CLIENTS)
    model.load_state_dict(arrays.to_torch_state_dict())
    return MetricRecord({"accuracy": float((model(images).argmax(1) == labels).float().mean())})


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Train, and print the accuracy of the last round."""
    torch.manual_seed(SEED)
    strategy = RobustStrategy(b=LIARS, fraction_evaluate=0.0, min_available_nodes=CLIENTS)
    first = ArrayRecord(net().state_dict())
    result = strategy.start(grid, first, num_rounds=ROUNDS, evaluate_fn=evaluate)
    print(f"accuracy {result.evaluate_metrics_serverapp[ROUNDS]['accuracy']:.3f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_simulation(
        server,
        client,
        num_supernodes=CLIENTS,
        backend_config={
            "init_args": {"log_to_driver": False, "include_dashboard": False},
            "client_resources": {"num_cpus": 1},
        },
    )
