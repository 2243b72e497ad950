"""A loss of your own in NumPy: logistic regression, with six of twenty workers lying."""

import numpy as np

import saddleproof as sp


class Logistic:
    """F_i(w) = mean log(1 + exp(-y <x, w>)) + |w|^2 / 200."""

    d = 5

    def value(self, w: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> float:
        """(d,) to a number."""
        x, y = data
        return float(np.logaddexp(0, -y * (x @ w)).mean() + w @ w / 200)

    def gradient(self, points: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """(q, d) to (q, d)."""
        x, y = data
        slope = -y / (1 + np.exp(y * (points @ x.T)))  # (q, n)
        return slope @ x / len(y) + points / 100


rng = np.random.default_rng(0)
truth = np.array([2.0, -1.0, 0.5, 0.0, 1.0])
x = rng.normal(size=(20, 500, 5))
y = np.where(rng.random((20, 500)) < 1 / (1 + np.exp(-x @ truth)), 1.0, -1.0)
problem = sp.Problem(Logistic(), list(zip(x, y, strict=True)), start=np.zeros(5))
fleet = sp.Coalition(sp.LocalFleet(problem), sp.attacks.ALittleIsEnough(), members=range(6))
result = sp.minimize(fleet, b=6)
print(result)
