"""BatchNorm exchanged for GroupNorm: what is carried over, and that `fit` takes the result."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, convert, fit
from saddleproof.torch.convert import groups_of


def images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 6),
        nn.BatchNorm1d(6), nn.Linear(6, 3),
    )  # fmt: skip


def data(m: int = 5) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(7, 1, 6, 6), torch.randint(0, 3, (7,))) for _ in range(m)]


def test_what_was_refused_trains_once_it_is_converted() -> None:
    module = images()
    with pytest.raises(OptionError, match=r"BatchNorm2d.*saddleproof\.torch\.convert\(module\)"):
        fit(module, cross_entropy, data(), b=1, rounds=2)
    before = copy.deepcopy(module.state_dict())
    trained, result = fit(convert(module), cross_entropy, data(), b=1, rounds=3, certify=False)
    assert result.rounds == 3
    assert sum(isinstance(layer, nn.GroupNorm) for layer in trained.modules()) == 2
    assert all(torch.equal(before[k], x) for k, x in module.state_dict().items())
    assert isinstance(module[1], nn.BatchNorm2d)


def test_weight_bias_eps_and_modes_are_carried_over_and_averages_are_not() -> None:
    module = images().double()
    nn.init.normal_(module[1].weight)
    module[1].bias.requires_grad = False
    module[1].eps = 0.5
    module[5].eval()
    made = convert(module)
    assert torch.equal(made[1].weight, module[1].weight)
    assert not made[1].bias.requires_grad
    assert made[1].weight.dtype == torch.float64
    assert made[1].eps == 0.5
    assert (made[1].training, made[5].training) == (True, False)
    assert list(made.buffers()) == []
    assert [name for name, _ in made.named_parameters()] == [
        n for n, _ in module.named_parameters()
    ]


def test_every_row_is_normalised_by_itself() -> None:
    made = convert(images()).eval()
    x = torch.randn(6, 1, 6, 6)
    alone = torch.cat([made(row[None]) for row in x])
    torch.testing.assert_close(made(x), alone)
    assert made(x).std() > 0


def test_groups_divide_the_channels_and_hold_more_than_one() -> None:
    for channels in range(2, 600):
        groups = groups_of(channels)
        assert channels % groups == 0
        assert groups <= 32
        assert channels // groups >= min(channels, 4)


def test_a_layer_in_two_places_stays_one_layer() -> None:
    norm = nn.BatchNorm1d(4)
    made = convert(nn.Sequential(nn.Linear(4, 4), norm, nn.Linear(4, 4), norm))
    assert made[1] is made[3]
    assert isinstance(made[1], nn.GroupNorm)


def test_a_norm_alone_is_converted_too() -> None:
    assert isinstance(convert(nn.BatchNorm1d(8)), nn.GroupNorm)
    assert list(convert(nn.BatchNorm2d(8, affine=False)).parameters()) == []


def test_batchnorm_without_averages_and_other_layers_stay() -> None:
    module = nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm(4))
    assert [type(x) for x in convert(module)] == [nn.BatchNorm1d, nn.LayerNorm]


def test_instance_norm_keeps_what_it_does_in_training() -> None:
    module = nn.Sequential(nn.InstanceNorm2d(3, affine=True, track_running_stats=True))
    made, x = convert(module), torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(made(x), module(x))
    shards = [(torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5)) for _ in range(3)]
    TorchProblem(made, nn.functional.mse_loss, shards)


def test_one_channel_is_refused_since_nothing_would_be_left_of_it() -> None:
    module = nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1))
    with pytest.raises(OptionError, match=r"layer '1' \(BatchNorm1d\) has one channel"):
        convert(module)
    with pytest.raises(OptionError, match="is lazy"):
        convert(nn.Sequential(nn.Linear(3, 4), nn.LazyBatchNorm1d()))
