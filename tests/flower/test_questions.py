"""The certificate at the end: clients that answer give one, and the others are told of."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")  # the client's side is a module of PyTorch

# ruff: noqa: E402 - what follows needs it too
from flower_grid import Federation, node
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from torch import nn

import saddleproof as sp
from saddleproof.errors import FleetError
from saddleproof.flower import answer_questions, questions_mod
from saddleproof.flower.certifying import certificate_of
from saddleproof.flower.client import check_layout
from saddleproof.flower.layout import ModelLayout
from saddleproof.torch.layout import Layout

CLIENTS = 4
ROWS = torch.randn(CLIENTS * 8, 3, generator=torch.Generator().manual_seed(0))
SHARDS = [(x, x.sum(1, keepdim=True)) for x in ROWS.split(8)]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def shard(context: Context) -> Any:
    return SHARDS[context.node_config["partition-id"]]


def joined(app: Any) -> Federation:
    federation = Federation()
    for i in range(CLIENTS):
        federation.join(failing(node(app, i)))
    return federation


def failing(act: Any) -> Any:
    """As Flower's own runtime does: an app that raises is an error that is sent back."""

    def run(message: Message) -> Message:
        from flwr.app import Error

        try:
            return act(message)
        except Exception as error:  # noqa: BLE001 - whatever an app raises
            return Message(Error(code=2, reason=repr(error)), reply_to=message)

    return run


def model_of(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: array.numpy() for name, array in ArrayRecord(module.state_dict()).items()}


def loader(context: Context) -> Any:
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*shard(context)), 3)


@pytest.mark.parametrize("load", [shard, loader])
def test_the_certificate_is_the_one_that_the_same_workers_give_here(load: Any) -> None:
    app = answer_questions(ClientApp(), net(), nn.functional.mse_loss, load)
    asked = certificate_of(joined(app), model_of(net()), sp.Median(), 1)
    here = sp.torch.certify(net(), nn.functional.mse_loss, SHARDS, b=1, aggregator=sp.Median())
    assert asked.gradient_norm == pytest.approx(here.gradient_norm)
    assert asked.level == here.level
    assert asked.workers == CLIENTS


def test_a_mod_answers_in_an_app_of_the_older_kind_and_leaves_the_rest_alone() -> None:
    class Own(NumPyClient):
        def get_properties(self, config: Any) -> Any:
            return {"mine": 1}

    mod = questions_mod(net(), nn.functional.mse_loss, shard)
    app = ClientApp(lambda context: Own().to_client(), mods=[mod])
    assert certificate_of(joined(app), model_of(net()), sp.Median(), 1).workers == CLIENTS
    other = Message(RecordDict(), 1, "train")
    sentinel = object()
    assert mod(other, None, lambda message, context: sentinel) is sentinel


def test_clients_that_do_not_answer_give_no_certificate_and_the_reason_says_what_to_do() -> None:
    found = certificate_of(joined(ClientApp()), model_of(net()), sp.Median(), 1)
    assert found.level == "open"
    assert not found.certified
    assert "none of the 4 clients" in found.reason
    assert "answer_questions(app, module, loss, load_data)" in found.reason


def test_too_few_that_answer_give_no_certificate() -> None:
    app = answer_questions(ClientApp(), net(), nn.functional.mse_loss, shard)
    federation = joined(app)
    for one in list(federation.acts)[:2]:
        federation.acts[one] = failing(node(ClientApp(), 0))
    found = certificate_of(federation, model_of(net()), sp.Median(), 1)
    assert found.level == "open"
    assert "2 usable messages" in found.reason


def test_a_federation_without_nodes_is_told_of() -> None:
    found = certificate_of(Federation(), model_of(net()), sp.Median(), 1)
    assert "no node is connected" in found.reason


class Buffered(nn.Module):
    """Linear with a floating-point buffer behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        return self.line(x) - self.mean


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    module[1].weight = module[0].weight
    return module


def frozen() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    module[0].requires_grad_(requires_grad=False)
    return module


@pytest.mark.parametrize("make", [Buffered, tied, frozen])
def test_arrays_that_are_not_the_parameters_are_refused_by_the_client(make: Any) -> None:
    module = make()
    told = ModelLayout.of(model_of(module)).told
    with pytest.raises(FleetError, match="about parameters alone"):
        check_layout(Layout.of(module), told)


def test_a_vector_in_another_order_is_refused_and_numbered_arrays_go_by_shape() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model = model_of(module)
    layout = Layout.of(module)
    check_layout(layout, ModelLayout.of(model).told)
    check_layout(layout, "")
    numbered = {str(k): array for k, array in enumerate(model.values())}
    check_layout(layout, ModelLayout.of(numbered).told)
    for wrong in (dict(reversed(model.items())), dict(list(model.items())[:-1])):
        with pytest.raises(FleetError, match="in the module's own order"):
            check_layout(layout, json.dumps([[n, list(x.shape)] for n, x in wrong.items()]))


def test_clients_do_not_answer_about_a_vector_that_means_something_else_to_them() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    app = answer_questions(ClientApp(), module, lambda output, _: (output**2).mean(), shard)
    turned = dict(reversed(model_of(module).items()))
    found = certificate_of(joined(app), turned, sp.Median(), 1)
    assert found.level == "open"
    assert "none of the 4 clients" in found.reason


def test_a_liar_under_another_name_is_still_one_node() -> None:
    """Without keys a node is a worker, and the name that its answers bear is nobody's."""
    app = answer_questions(ClientApp(), net(), nn.functional.mse_loss, shard)
    federation = joined(app)
    first, *_ = federation.acts
    federation.acts[first] = node(app, 0, name="worker-3")
    assert certificate_of(federation, model_of(net()), sp.Median(), 1).workers == CLIENTS
