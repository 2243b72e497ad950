"""GradientOnlyPGD: it leaves what holds robust descent, and claims nothing by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import oracle
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.trajectory import Trajectory, advance
from saddleproof.problems.quartic import TiltedQuartic
from saddleproof.testing import check_optimizer

B = 6


def attacked(problem: Any, style: str = "push") -> sp.Coalition:
    attack = sp.SaddleAttack(problem.saddle, style=style)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))


def run(problem: Any, optimizer: Any = None, *, fleet: Any = None, **options: Any) -> sp.Result:
    options = {
        "b": B,
        "seed": 0,
        "max_rounds": 150,
        "certify": False,
        "w0": problem.start,
    } | options
    return sp.minimize(fleet or attacked(problem), optimizer or sp.GradientOnlyPGD(), **options)


# --- what it is for -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Example1", "Example2", "PCADigits", "Tensor", "UnequalHessians"])
@pytest.mark.parametrize("style", ["push", "hold"])
def test_it_leaves_the_saddle_that_holds_robust_descent(name: str, style: str) -> None:
    problem = getattr(sp.problems, name)(seed=1)
    ours = run(problem, fleet=attacked(problem, style))
    step = 1 / problem.smoothness
    held = run(problem, sp.GradientDescent(step=step), max_rounds=ours.rounds)
    assert problem.left_saddle(ours.w)
    assert not problem.left_saddle(held.w)


@pytest.mark.parametrize(("style", "seed"), [("push", 21), ("hold", 25)])
def test_a_witness_lands_where_it_got_to_even_if_no_jump_is_clear(style: str, seed: int) -> None:
    """Inside the quadratic model, where it became one, a jump would gain nothing."""
    problem = sp.problems.SpikedPCA(seed=seed)
    likely: list[float] = []

    def never_higher(progress: Any) -> None:
        escape = progress.state.escape
        if progress.state.phase != "escape" or escape.likely is None:
            likely.clear()
            return
        likely.append(escape.likely.change)
        assert likely == sorted(likely, reverse=True)

    ours = run(problem, fleet=attacked(problem, style), seed=seed, callback=never_higher)
    assert ours.state.soft_jumps > 0
    assert problem.left_saddle(ours.w)


@pytest.mark.parametrize("decades", [-3, 3])
def test_any_first_step_will_do(decades: int) -> None:
    problem = sp.problems.Example2(seed=2)
    result = run(problem, sp.GradientOnlyPGD(step=10.0**decades / problem.smoothness))
    assert problem.left_saddle(result.w)
    assert result.rounds <= 100


def test_it_is_scale_equivariant() -> None:
    """F -> 1000 F with eta0 / 1000 walks the same path: no hidden unit."""

    class Scaled(sp.problems.Example2):
        def _gradients(self, points: np.ndarray) -> np.ndarray:
            return 1024.0 * super()._gradients(points)

    problem, scaled = sp.problems.Example2(seed=0), Scaled(seed=0)
    one = run(problem, sp.GradientOnlyPGD(step=1.0), fleet=sp.LocalFleet(problem))
    two = run(scaled, sp.GradientOnlyPGD(step=1 / 1024), fleet=sp.LocalFleet(scaled))
    assert one.rounds == two.rounds
    np.testing.assert_allclose(one.w, two.w, rtol=1e-9)


@pytest.mark.slow
def test_a_hundred_dimensions_are_no_harder() -> None:
    problem = sp.problems.RotatedQuartic(d=100, seed=0)
    assert problem.left_saddle(run(problem).w)


# --- what it must not do --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Example2", "PCADigits", "Tensor"])
def test_no_clear_jump_raises_the_loss(name: str) -> None:
    problem = getattr(sp.problems, name)(seed=3)
    jumps: list[float] = []
    last: list[Any] = [None]

    def watch(progress: Any) -> None:
        state, before = progress.state, last[0]
        if before is not None and before.phase == "escape" and state.phase == "descend":
            assert state.escape.best is not None
            jumps.append(problem.value(state.main.w) - problem.value(state.escape.anchor))
        last[0] = state

    run(problem, callback=watch)
    assert jumps
    assert max(jumps) < 0


class VoteDown:
    """Liars to whom every point is better than the saddle: -1e6 (w - saddle) at every w."""

    def __call__(self, view: Any) -> np.ndarray:
        lie = -1e6 * (view.points - view.problem.saddle)
        return np.repeat(lie[:, None, :], len(view.members), axis=1)


@pytest.mark.parametrize("name", ["Example2", "Tensor"])
def test_liars_cannot_talk_it_away_from_a_minimum(name: str) -> None:
    problem = getattr(sp.problems, name)(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), VoteDown(), members=range(B))
    result = run(problem, fleet=fleet, w0=problem.minimum)
    assert problem.excess(result.w) < 0.1


def test_it_never_says_second_order() -> None:
    problem = sp.problems.UnequalHessians(n=4, seed=0)  # Hessian noise .25, curvature -.15
    result = run(problem, max_rounds=80)
    assert result.status in ("unresolved", "budget", "no_escape_found")


def test_where_no_way_down_is_found_it_says_that_this_is_no_proof() -> None:
    problem = sp.problems.Example2(seed=0)
    result = run(problem, w0=problem.minimum)
    assert result.status == "no_escape_found"
    assert "which is no proof" in result.message
    assert not result.success
    evidence = sp.GradientOnlyPGD().evidence(result.state)
    assert evidence is not None
    assert evidence.curvature is None


def test_what_the_certificate_disproves_is_called_a_saddle() -> None:
    """n = 300: the survey reaches far beyond the minima, no start grows, and the workers know."""
    problem = sp.problems.RotatedQuartic(n=300, seed=1)
    result = run(problem, seed=1, certify=True)
    assert not problem.left_saddle(result.w)
    assert result.certificate.refuted
    assert result.status == "saddle"
    assert not result.success


def test_workers_who_agree_that_they_are_done_end_the_run() -> None:
    """Phase retrieval without noise: every worker's gradient vanishes at the minimum."""
    problem = sp.problems.Phase(seed=0)
    last: list[Any] = []
    options = {"fleet": attacked(problem, "cancel"), "aggregator": sp.TrimmedMean()}
    result = run(problem, callback=last.append, **options)
    assert problem.left_saddle(result.w)
    assert result.rounds <= 70
    assert last[-1].record.gradient_norm < 1e-7


def test_plain_descent_rides_in_every_batch() -> None:
    """The plain is the robust descent that would have been, to the last bit but rounding."""
    problem = sp.problems.Example2(seed=0)
    trajectories: list[Trajectory] = []
    result = run(problem, callback=lambda p: trajectories.append(p.state.plain or p.state.main))
    assert result.state.plain is not None
    plain, rule = trajectories[2], sp.Median()
    fleet = attacked(problem)
    fleet.announce(sp.fleets.base.Announcement(rule.estimates, B))
    for there in trajectories[3:]:
        batch = PointBlocks({"main": plain.pair})
        messages = fleet.round(batch.points, round_id=0)
        reading = oracle.read(messages, rule, B, points=batch.points, workers=fleet.workers)
        plain = advance(plain, reading, batch, "main")
        np.testing.assert_allclose(plain.w, there.w, rtol=1e-9, atol=1e-12)


def test_strict_returns_only_what_is_clearly_lower() -> None:
    problem = sp.problems.Example2(seed=0)
    result = run(problem, sp.GradientOnlyPGD(strict=True))
    assert problem.left_saddle(result.w)
    bound = result.state.ending.evidence.numbers["loss_above_plain_descent_at_most"]
    assert bound < 0
    assert problem.value(result.w) - problem.value(result.state.plain.w) <= bound


def test_a_flat_loss_ends_where_it_began_and_claims_nothing() -> None:
    class Flat:
        d = 3

        def value(self, w: np.ndarray, data: Any) -> float:
            return 0.0

        def gradient(self, points: np.ndarray, data: Any) -> np.ndarray:
            return np.zeros_like(points)

    problem = sp.Problem(Flat(), range(5))
    result = run(problem, fleet=sp.LocalFleet(problem), b=1, w0=np.ones(3), max_rounds=60)
    assert not result.success
    np.testing.assert_array_equal(result.w, np.ones(3))


@pytest.mark.slow
def test_a_landing_that_lies_drove_it_back_from_is_what_it_returns() -> None:
    """At d = 300 the liars' pull, some sqrt(d) of it, beats the slope: descent is driven back."""
    spectrum = np.append(-0.3, np.linspace(0.3, 1, 299))
    problem = TiltedQuartic(spectrum, workers=20, seed=1, n=4000, rotate=True)
    states: list[Any] = []
    result = run(problem, seed=1, callback=lambda progress: states.append(progress.state))
    compared = states[-2]
    assert compared.phase == "compare"
    np.testing.assert_array_equal(result.w, compared.landed)
    assert problem.value(result.w) < problem.value(compared.main.w)


# --- a pure state machine -------------------------------------------------------------------------


def test_it_passes_the_suite_for_optimizers() -> None:
    check_optimizer(sp.GradientOnlyPGD(), sp.problems.Example2(seed=0), b=3)


def test_it_is_the_default_where_workers_answer_gradients_only() -> None:
    fleet = sp.LocalFleet(sp.problems.Example2(seed=0))

    class GradientsAlone:
        workers, announce, round = fleet.workers, fleet.announce, fleet.round

    options = {"b": B, "w0": np.zeros(2), "seed": 0, "max_rounds": 3, "certify": False}
    result = sp.minimize(GradientsAlone(), **options)
    assert type(result.state) is type(sp.GradientOnlyPGD().init(np.zeros(2)))


def test_without_a_seed_no_two_runs_draw_alike() -> None:
    states = [sp.GradientOnlyPGD().init(np.ones(3)) for _ in range(2)]
    assert states[0].random.key != states[1].random.key
    assert len(states[0].random.key) == 64


def test_the_budget_is_kept_and_its_last_round_compares() -> None:
    problem = sp.problems.Example2(seed=0)
    for rounds in (1, 2, 5, 13, 17):
        result = run(problem, max_rounds=rounds)
        assert result.rounds == rounds
        assert result.status == "budget"
    # A jump is made by round 13: the comparison must not give it back.
    assert problem.excess(result.w) < 0.5


def test_a_third_of_liars_is_refused() -> None:
    problem = sp.problems.Example2(seed=0)
    with pytest.raises(BreakdownError, match="at most 6 Byzantine workers of 20; got b=7"):
        run(problem, b=7)


@pytest.mark.parametrize("options", [{"curvature": 0.0}, {"step": -1.0}, {"step": np.inf}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        sp.GradientOnlyPGD(**options)


def test_a_rule_without_an_inexactness_is_refused() -> None:
    class Blind(sp.Median):
        def _batch(self, stack: np.ndarray, b: int) -> Any:
            return replace(super()._batch(stack, b), inexactness=None)

    with pytest.raises(OptionError, match="inexactness"):
        run(sp.problems.Example2(seed=0), aggregator=Blind())


def test_a_torn_state_is_an_error_with_a_reason() -> None:
    optimizer = sp.GradientOnlyPGD()
    state = replace(optimizer.init(np.ones(2)), phase="escape")
    with pytest.raises(sp.errors.StoreError, match="torn"):
        optimizer.ask(state)
