"""A module trained over gRPC: six processes with rows of their own, of which one lies.

python examples/grpc_module.py

Server and workers share this file, which makes the module; no row leaves its worker. Between
machines, `saddleproof keys`, `serve` and `worker` do what `main` does here.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import saddleproof as sp
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.worker import workers_of

NAMES = [f"worker-{i}" for i in range(6)]
LIARS = 1


def new_module() -> nn.Module:
    """The same module in every process."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10))


def rows(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Some rows of the digits."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images[part] / 16, dtype=torch.float32), torch.tensor(labels[part])


def work(i: int, folder: str, address: str) -> None:
    """A worker's process: answer until the server says that the run is done."""
    torch.set_num_threads(1)
    shard = rows(slice(i, 1500, len(NAMES)))
    (worker,) = workers_of(sp.torch.TorchProblem(new_module(), cross_entropy, [shard]))
    answer = honest(worker)

    def lie(question: Any, round_id: int, *, losses: bool) -> Any:
        vector, values = answer(question, round_id, losses=losses)
        return -3 * vector, values

    said = lie if i < LIARS else answer
    Client(said, address, keys.load(folder, NAMES[i])).run()


def main() -> None:
    """The server's process: keys, workers, training, and a test on rows that nobody trained on."""
    module = new_module()
    start = parameters_to_vector(module.parameters()).detach().numpy()
    with tempfile.TemporaryDirectory() as home:
        folder = f"{home}/keys"
        keys.init(folder)
        keys.issue(folder, NAMES)
        fleet = sp.GrpcFleet(NAMES, folder)
        spawn = multiprocessing.get_context("spawn")
        workers = [
            spawn.Process(target=work, args=(i, folder, fleet.address), daemon=True)
            for i in range(len(NAMES))
        ]
        for worker in workers:
            worker.start()
        optimizer = sp.GradientDescent(step=0.5)
        result = sp.minimize(fleet, optimizer, b=LIARS, w0=start, max_rounds=150)
        fleet.close()
        for worker in workers:
            worker.join()
    vector_to_parameters(torch.tensor(result.w, dtype=torch.float32), module.parameters())
    images, labels = rows(slice(1500, None))
    right = module(images).argmax(dim=1) == labels
    print(result.message)
    print(f"accuracy {right.float().mean():.3f}")


if __name__ == "__main__":
    main()
