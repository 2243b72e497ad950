"""ByzFL's own clients, server, rules and attacks, on models and data of ours.

    pip install --no-deps --target DIR byzfl        (0.0.11 was used), then --peers DIR

Its training loop (`byzfl/benchmark/train.py`, DSGD) is followed step by step; only the data set
and the model, which it would fetch or name, are handed in. Its package file loads torchvision for
data sets that are not needed here, and is therefore passed over.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from saddleproof.arrays import Vector
from saddleproof.attacks.base import Attack, AttackView


def load(peers: Path | None) -> ModuleType | None:
    """ByzFL's framework, or None where it is not there."""
    if peers is None or not (peers / "byzfl").is_dir():
        return None
    package = ModuleType("byzfl")
    package.__path__ = [str(peers / "byzfl")]
    sys.modules["byzfl"] = package
    return importlib.import_module("byzfl.fed_framework")


class Trainer:
    """One DSGD run of ByzFL.

    Args:
        framework: from `load`.
        module: the model; its loss is cross entropy.
        shards: (inputs, labels) of every client that computes.
        test: (inputs, labels).
        f: what its rules are told, and how many clients lie if there is an attack.
        rule: ("TrMean", "Median", ...), with its pre-aggregators, such as ("NNM",).
        attack: (name, parameters) of its own attacks, or None; or an attack of ours, which sees
            the honest messages and its rule. "LabelFlipping" is the attack of that name: the liars
            send the mean gradient on turned labels.
        batch_size, lr, momentum: as in its configuration.
    """

    def __init__(
        self,
        framework: Any,
        module: nn.Module,
        shards: Sequence[tuple[Tensor, Tensor]],
        test: tuple[Tensor, Tensor],
        *,
        f: int,
        rule: str = "TrMean",
        before: Sequence[str] = ("NNM",),
        attack: tuple[str, dict[str, Any]] | Attack | None = None,
        batch_size: int = 32,
        lr: float = 0.25,
        momentum: float = 0.9,
    ) -> None:
        aggregation = {
            "aggregator_info": {"name": rule, "parameters": {"f": f} if rule == "TrMean" else {}},
            "pre_agg_list": [{"name": name, "parameters": {"f": f}} for name in before],
        }
        plan = {
            "model_name": "logreg_mnist",  # replaced below
            "device": "cpu",
            "optimizer_name": "SGD",
            "learning_rate": lr,
            "weight_decay": 0.0,
            "milestones": [],
            "learning_rate_decay": 1.0,
        }
        own = attack if isinstance(attack, tuple) else None
        self.flipped = own is not None and own[0] == "LabelFlipping"
        self.clients = [
            framework.Client(
                plan
                | {
                    "loss_name": "CrossEntropyLoss",
                    "LabelFlipping": self.flipped,
                    "nb_labels": 10,
                    "momentum": momentum,
                    "training_dataloader": DataLoader(
                        TensorDataset(*shard), batch_size=batch_size, shuffle=True
                    ),
                    "store_per_client_metrics": False,
                }
            )
            for shard in shards
        ]
        loader = DataLoader(TensorDataset(*test), batch_size=1000)
        self.server = framework.Server(plan | aggregation | {"test_loader": loader})
        self.server.model = copy.deepcopy(module)
        self.server.optimizer = torch.optim.SGD(self.server.model.parameters(), lr=lr)
        self.server.scheduler = torch.optim.lr_scheduler.MultiStepLR(self.server.optimizer, [])
        for client in self.clients:
            client.model = copy.deepcopy(module)
            client.momentum_gradient = torch.zeros(sum(p.numel() for p in module.parameters()))
        name, parameters = ("NoAttack", {}) if own is None else own
        liars = 0 if own is None else f
        options = {"f": liars, "name": name, "parameters": parameters | aggregation | {"f": f}}
        self.liars = framework.ByzantineClient(options)
        if attack is not None and own is None:
            self.liars.f, self.liars.attack = f, partial(self._lie, attack, f)
            self.liars.no_attack = False

    def round(self) -> None:
        """One training step, as in its training loop."""
        for client in self.clients:
            client.compute_gradients()
        honest = [client.get_flat_gradients_with_momentum() for client in self.clients]
        known = [c.get_flat_flipped_gradients() for c in self.clients] if self.flipped else honest
        self.server.update_model_with_gradients(honest + self.liars.apply_attack(known))
        state = self.server.get_dict_parameters()
        for client in self.clients:
            client.set_model_state(state)

    def _lie(self, attack: Attack, f: int, honest: list[Tensor]) -> Tensor:
        """What f members of a coalition with an attack of ours send, each the same."""
        rows = torch.stack(honest).numpy()
        mean = np.repeat(rows.mean(axis=0, keepdims=True), f, axis=0)  # they hold no data
        view = AttackView(
            points=np.zeros_like(rows[:1]),
            messages=np.concatenate([rows, mean])[None],
            members=tuple(range(len(rows), len(rows) + f)),
            round_id=0,
            b=f,
            aggregate=self._aggregate,
            optimizer=None,
            problem=None,
        )
        return torch.from_numpy(np.asarray(attack(view)[0, 0], dtype=rows.dtype))

    def _aggregate(self, stack: Vector) -> Vector:
        """Its server's rule, (q, m, d) to (q, d)."""
        rows = torch.from_numpy(stack.astype(np.float32))
        return np.stack([self.server.aggregate(list(one)).numpy() for one in rows])

    def accuracy(self) -> float:
        """On the test rows."""
        with torch.no_grad():
            return float(self.server.compute_test_accuracy())
