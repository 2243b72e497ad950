"""Runs: paired by seed, kept, gone on with, and cells that fail."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import saddleproof as sp
from saddleproof.benchmark import running, training
from saddleproof.benchmark.dividing import liars_of
from saddleproof.benchmark.results import Results
from saddleproof.benchmark.running import runs
from saddleproof.benchmark.text import runs_csv
from saddleproof.errors import BreakdownError, ConfigError, OptionError
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.trials import Failure


@pytest.fixture
def ran(monkeypatch):
    """(cell, seed) of every run that is made in this process."""
    made, run = [], running.outcome

    def noted(plan, cell, seed):
        made.append((cell.name, seed))
        return run(plan, cell, seed)

    monkeypatch.setattr(running, "outcome", noted)
    return made


def test_accuracy_and_loss_are_those_of_the_rows_that_no_worker_has(make, clouds):
    plan = make(rules={"mean": sp.Mean()}, attacks=None, liars=0, seeds=1)
    seen = {}

    def spied(shape, classes):
        seen["module"] = nn.Linear(shape[0], classes)
        return seen["module"]

    fit, module = training.sp_torch.fit, {}

    def noted(*given, **options):
        module["trained"], fitted = fit(*given, **options)
        module["shards"], module["test"] = given[2], options["evaluate"]
        return module["trained"], fitted

    plan = make(rules={"mean": sp.Mean()}, attacks=None, liars=0, seeds=1, models={"own": spied})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.sp_torch, "fit", noted)
        ((_, found),) = runs(plan)
    rows = {tuple(row) for x, _ in module["shards"] for row in x.tolist()}
    x, y = module["test"]
    assert rows.isdisjoint(map(tuple, x.tolist()))
    assert len(rows) + len(x) == 60 == sum(found.rows)
    with torch.no_grad():
        output = module["trained"](x)
    assert found.accuracy == float((output.argmax(dim=1) == y).double().mean())
    assert found.loss == pytest.approx(float(nn.functional.cross_entropy(output, y)), abs=1e-6)
    assert found.at == (0, 2, 3)
    assert found.accuracies[-1] == found.accuracy


def test_rules_and_attacks_of_a_seed_have_the_same_rows_start_and_liars(make):
    seen, fit = [], training.sp_torch.fit

    def noted(module, loss, shards, **options):
        start = [p.detach().numpy().tobytes() for p in module.parameters()]
        told = [x.numpy().tobytes() for rows in shards for x in rows]
        told += [x.numpy().tobytes() for x in options["evaluate"]]
        seen.append((start, told, options["liars"], options["b"]))
        return fit(module, loss, shards, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.sp_torch, "fit", noted)
        list(runs(make(liars=[1, 2], seeds=[4])))
    assert len(seen) == 8
    assert all(one[:2] == seen[0][:2] for one in seen)
    for _, _, liars, b in seen:
        assert liars in (None, liars_of(4, 5, b))
    assert sum(liars is None for _, _, liars, _ in seen) == 4


@pytest.mark.slow
def test_seeds_have_different_rows_starts_and_liars(make):
    lines = runs_csv(Results(make(), runs(make())))
    assert len(set(lines.splitlines())) == 1 + 4 * 2


@pytest.mark.slow
def test_two_processes_find_the_bytes_that_one_finds(make):
    one, two = (runs_csv(Results(make(), runs(make(), jobs=jobs))) for jobs in (1, 2))
    assert one == two


def test_pytorch_s_own_random_numbers_and_threads_are_left_alone(make):
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(runs(make(seeds=1)))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_first_parameters_are_drawn_from_the_seed_alone(make):
    (cell, *_) = make().cells
    data, found = training.loaded(cell.data), []
    for ambient, seed in ((0, 1), (5, 1), (0, 2)):
        torch.manual_seed(ambient)
        module = training.module_of(cell.model, data, seed)
        found.append([p.tolist() for p in module.parameters()])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("after", [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 8))])
def test_wherever_it_was_stopped_it_ends_with_the_same_bytes(make, ran, after):
    plan = make()
    whole = runs_csv(Results(plan, runs(plan)))
    with Ledger(None) as ledger:
        stopped = runs(plan, ledger=ledger)
        for _ in range(after):
            next(stopped)
        stopped.close()
        del ran[:]
        resumed = runs_csv(Results(plan, runs(plan, ledger=ledger, resume=True)))
    assert resumed == whole
    assert len(ran) == 8 - after


def names(plan):
    """What the runs of a plan are called in a ledger."""
    of = running.names_of(plan)
    return {of(i, seed) for i in range(len(plan.cells)) for seed in plan.seeds}


def test_what_was_changed_is_run_again_and_nothing_else(make, clouds, ran):
    changed = [
        ({"training": {"rounds": 4, "evaluate_every": 2}}, 8),
        ({"test": 0.3}, 8),
        ({"workers": 6}, 8),
        ({"data": {"clouds": (clouds[0] + 1, clouds[1])}}, 8),
        ({"models": {"linear": "mlp"}}, 8),
        ({"splits": {"iid": "extreme"}}, 8),
        ({"rules": {"mean": sp.Mean(), "median": sp.TrimmedMean()}}, 4),
        ({"attacks": {"none": None, "flip": sp.attacks.SignFlip(scale=2.0)}}, 4),
        ({"liars": [1, 2]}, 8),
        ({"seeds": 3}, 4),
        ({"rules": {"average": sp.Mean(), "median": sp.Median()}}, 0),  # a label is no change
    ]
    before = names(make())
    for options, again in changed:
        assert len(names(make(**options)) - before) == again, options
    assert not ran


class Broken(sp.Median):
    def estimates(self, stack, b):
        raise ZeroDivisionError("no\nway")


def test_a_cell_that_fails_is_shown_and_the_others_go_on(make):
    plan = make(rules={"mean": sp.Mean(), "broken": Broken()}, attacks=None)
    found = Results(plan, runs(plan))
    good, bad = found.cells
    assert len(good.outcomes) == 2
    assert not bad.outcomes
    assert [type(one) for one in bad.failures] == [Failure] * 2
    assert "no way" in bad.failures[0].reason
    assert "2 failed" in repr(found)
    assert "no way" in runs_csv(found)
    assert found.best(good.cell.world) == ()


def test_a_rule_that_cannot_hold_b_is_a_cell_that_says_so(make):
    plan = make(rules={"krum": sp.aggregators.Krum()}, attacks=None, liars=[1, 4], seeds=1)
    found = Results(plan, runs(plan))
    assert len(found.cells[0].outcomes) == 1
    assert "b" in found.cells[1].failures[0].reason


def test_what_is_refused_is_refused_before_anything_runs(make, ran):
    for options, error, said in (
        ({"models": "cnn"}, ConfigError, "square images"),
        ({"splits": "dirichlet"}, ConfigError, "needs alpha"),
        ({"splits": {"bad": lambda labels, workers, seed: []}}, ConfigError, "m=5 workers"),
        ({"models": {"none": lambda shape, classes: None}}, ConfigError, "nn.Module"),
    ):
        with pytest.raises(error, match=said):
            list(runs(make(**options)))
    assert not ran


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"liars": 5}, BreakdownError, "less than workers=5"),
        ({"liars": []}, OptionError, "liars"),
        ({"seeds": []}, OptionError, "seed"),
        ({"seeds": 0}, OptionError, "seed"),
        ({"seeds": [1, 1]}, OptionError, "different"),
        ({"test": 1.0}, OptionError, "between 0 and 1"),
        ({"rules": {}}, OptionError, "rules"),
        ({"rules": ["meen"]}, OptionError, "mean"),
        ({"rules": sp.Median}, OptionError, "Median"),
        ({"models": 3}, OptionError, "model"),
        ({"data": "digit"}, OptionError, "digits"),
        ({"liars": 0, "attacks": {"flip": sp.attacks.SignFlip()}}, OptionError, "b = 0"),
        ({"training": {"rounds": 0}}, OptionError, "rounds"),
    ],
)
def test_arguments_that_cannot_work_are_refused_by_name(make, options, error, said):
    with pytest.raises(error, match=said):
        make(**options)


def test_a_certificate_is_asked_for_where_the_plan_says_so(make):
    options = {"rounds": 3, "certify": True, "batch_size": "all"}
    plan = make(rules={"median": sp.Median()}, attacks=None, seeds=1, training=options)
    ((_, found),) = runs(plan)
    assert found.certificate in list(sp.Level)
    assert found.claim
    assert np.isfinite(found.gradient_bound)
    shown = Results(plan, [(0, found)])
    assert f"1 {found.certificate}" in repr(shown)


def test_what_the_training_promises_less_and_warns_of_is_noted(make, recwarn):
    training_options = {"rounds": 2, "local_steps": 2}
    found = Results(make(), runs(make(training=training_options)))
    assert "note, clouds, linear, iid, b=1, none: mean and 3 more cells: " in repr(found)
    assert any("local" in note for note in found.cells[0].outcomes[0].notes)
    assert not recwarn.list


class OddRule(sp.Median):
    def estimates(self, stack, b):
        warnings.warn("odd rows", UserWarning, stacklevel=1)
        return super().estimates(stack, b)


def test_a_warning_of_a_rule_is_noted_once(make, recwarn):
    plan = make(rules={"odd": OddRule()}, attacks=None)
    assert repr(Results(plan, runs(plan))).count("odd rows") == 1
    assert not recwarn.list


def test_a_model_that_cannot_be_evaluated_is_a_failure_and_no_number(make, monkeypatch):
    calls = []

    def failing(output, target):
        calls.append(output)
        if len(calls) > 2:
            raise ZeroDivisionError
        return 0.5

    monkeypatch.setattr(training, "accuracy", failing)
    plan = make(rules={"mean": sp.Mean()}, attacks=None, seeds=1)
    ((_, found),) = runs(plan)
    assert "cannot be evaluated" in found.reason


def test_an_output_that_is_no_number_is_a_wrong_answer():
    output = torch.tensor([[float("nan"), 0.0], [1.0, 0.0]])
    assert training.accuracy(output, torch.tensor([0, 0])) == 0.5
    assert training.loss(output, torch.tensor([0, 0])) == float("inf")


def test_a_plan_can_be_run_with_other_seeds(make):
    plan = replace(make(), seeds=(9,))
    assert {one.seed for _, one in runs(plan)} == {9}


def test_a_plan_that_cannot_be_sent_to_another_process_is_refused(make, ran):
    plan = make(models={"net": lambda shape, classes: nn.Linear(shape[0], classes)})
    with pytest.raises(OptionError, match="cannot be pickled"):
        next(runs(plan, jobs=2))
    assert not ran
