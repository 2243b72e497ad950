"""Someone hands over a trained model: is it at a minimum, or was it held at a saddle point?

Twenty workers hold the data, six of them may lie. The network below has two copies of one hidden
unit, as it has when liars hold two units together: a saddle point, where training looks finished.
"""

import torch
from scipy.optimize import minimize
from torch import nn

import saddleproof as sp

torch.manual_seed(0)
x = torch.randn(20, 1000, 4, dtype=torch.float64)
y = torch.tanh(2 * x[..., 0]) - torch.tanh(2 * x[..., 1])
shards = [(inputs, target[:, None]) for inputs, target in zip(x, y, strict=True)]


def network(units: int) -> nn.Module:
    """`units` hidden tanh units."""
    first, last = nn.Linear(4, units, bias=False), nn.Linear(units, 1, bias=False)
    return nn.Sequential(first, nn.Tanh(), last).double()


def trained(module: nn.Module) -> nn.Module:
    """To rest, by honest workers."""
    problem = sp.torch.TorchProblem(module, nn.functional.mse_loss, shards)
    found = minimize(problem.value, problem.start, jac=problem.gradient, tol=1e-12)
    return problem.load(found.x)


def split(one: nn.Module) -> nn.Module:
    """The same function with two units, each half of the one."""
    two = network(2)
    two[0].weight.data = one[0].weight.data.repeat(2, 1)
    two[2].weight.data = one[2].weight.data.repeat(1, 2) / 2
    return two


held = split(trained(network(1)))
for name, module in (("held", held), ("trained on", trained(network(2)))):
    certificate = sp.torch.certify(module, nn.functional.mse_loss, shards, b=6)
    print(f"{name}: {certificate.level}. {certificate.reason}")
