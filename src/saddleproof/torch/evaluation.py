"""Metrics of a model on a test set: in eval mode, without gradients, all outputs together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.torch.layout import Layout
from saddleproof.torch.problem import TorchProblem
from saddleproof.torch.reading import read
from saddleproof.torch.refusals import first
from saddleproof.torch.surroundings import plainly

_log = logging.getLogger(__name__)
#: (output, target) to a number; (output, dict) where rows are dicts.
Metric = Callable[[Any, Any], Any]
#: Rows that pass through a module at a time.
ROWS = 512


class Evaluation:
    """The metrics of a model.

    The test set passes in pieces of 512 rows, and a metric gets all outputs at once, so it need be
    no mean over rows. An output that is no tensor is computed from all rows in one piece.

    Args:
        problem: what is trained: the module, its loss and its device.
        given: the test set, in the form of a worker's rows.
        metrics: name to function of (output, target); None for the loss, and the accuracy where
            targets are class numbers and the output has one column a class.

    Raises:
        OptionError: the test set or a metric cannot work, tried on the module as it is.
    """

    def __init__(
        self, problem: TorchProblem, given: Any, metrics: Mapping[str, Metric] | None
    ) -> None:
        self.problem = problem
        layout = Layout.of(problem.module)
        with plainly():
            rows = read(given, layout.dtype, layout.device, "the test set")
            self.rows = rows.in_order(problem.rows.keys, "the test set")
        check_metrics(metrics)
        w = np.asarray(problem.start)
        try:
            with plainly(), torch.no_grad():
                output, target = self._output(w)
                self.metrics = dict(metrics or self._usual(output, target))
                for name, metric in self.metrics.items():
                    _number(name, metric(output, target))
        except OptionError:
            raise
        except Exception as error:  # whatever the caller's module, rows or metrics raise
            raise OptionError(
                f"evaluate= fails on the module as it is: {type(error).__name__}: {first(error)}"
            ) from error

    def __call__(self, w: Vector) -> dict[str, float]:
        """The metrics at w; one that fails is NaN, and the log says why: training goes on."""
        found = dict.fromkeys(self.metrics, float("nan"))
        with plainly(), torch.no_grad():
            try:
                output, target = self._output(w)
            except Exception as error:  # noqa: BLE001 - a test set must not end a training
                _log.warning("evaluation failed: %s: %s", type(error).__name__, first(error))
                return found
            for name, metric in self.metrics.items():
                try:
                    found[name] = _number(name, metric(output, target))
                except Exception as error:  # noqa: BLE001 - nor must a metric
                    _log.warning("metric %s failed: %s: %s", name, type(error).__name__, error)
        return found

    def _output(self, w: Vector) -> tuple[Any, Any]:
        module = self.problem.load(w).eval()
        tensors, keys = self.rows.tensors, self.rows.keys

        def of(part: slice) -> Any:
            piece = tuple(x[part] for x in tensors)
            return module(**dict(zip(keys, piece, strict=True))) if keys else module(*piece[:-1])

        target = dict(zip(keys, tensors, strict=True)) if keys else tensors[-1]
        n = len(tensors[0])
        output = of(slice(0, ROWS))
        if n <= ROWS:
            return output, target
        if not isinstance(output, Tensor):
            return of(slice(None)), target
        parts = [output, *(of(slice(i, i + ROWS)) for i in range(ROWS, n, ROWS))]
        return torch.cat(parts), target

    def _usual(self, output: Any, target: Any) -> dict[str, Metric]:
        usual: dict[str, Metric] = {"loss": self.problem.module_loss.loss}
        logits, labels = _classes(output, target)
        is_class = isinstance(labels, Tensor) and labels.ndim == 1 and not labels.is_complex()
        is_class = is_class and not labels.is_floating_point() and labels.dtype != torch.bool
        if is_class and isinstance(logits, Tensor) and logits.ndim == 2 and logits.shape[1] > 1:
            usual["accuracy"] = accuracy
        return usual


def accuracy(output: Any, target: Any) -> float:
    """The share of rows whose largest output is the one of their class."""
    logits, labels = _classes(output, target)
    return float((logits.argmax(dim=1) == labels).double().mean())


def check_metrics(metrics: Any) -> None:
    """Refuse what is no dict of functions.

    Raises:
        OptionError: says what is needed.
    """
    if metrics is None:
        return
    if not isinstance(metrics, Mapping) or not metrics:
        raise OptionError(
            "metrics must be a dict of names to functions of (output, target), or None for loss "
            f"and accuracy; got {metrics!r:.60}"
        )
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise OptionError(f"metrics must be named by strings; got {name!r}")
        arguments.callback(f"the metric {name!r}", metric)


def _classes(output: Any, target: Any) -> tuple[Any, Any]:
    """The outputs a class, and the classes; in dicts by the names of Hugging Face."""
    if not isinstance(target, dict):
        return output, target
    named = isinstance(output, Mapping)
    logits = output.get("logits") if named else getattr(output, "logits", output)
    return logits, target.get("labels")


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(
            f"the metric {name!r} must return one number; got {type(value).__name__}"
        ) from error
