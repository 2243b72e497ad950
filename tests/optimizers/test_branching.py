"""Branch and judge: blocks of several rules and step lengths, and the workers' choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.optimizers import BranchAndJudge
from saddleproof.optimizers.branching import shortened
from saddleproof.optimizers.branching.momenta import Momenta
from saddleproof.oracle import Oracle
from saddleproof.questions import Changes, Gradients
from saddleproof.storage import snapshot
from saddleproof.testing import check_optimizer

RULES = (sp.Mean(), sp.Median())


class Quadratic:
    """|w - data|^2 / 2."""

    d = 3

    def value(self, w, data):
        return 0.5 * float(((w - data) ** 2).sum())

    def gradient(self, points, data):
        return points - data


def fleet(m: int = 9) -> sp.LocalFleet:
    rng = np.random.default_rng(0)
    shards = [np.array([1.0, -2.0, 3.0]) + 0.3 * rng.standard_normal(3) for _ in range(m)]
    return sp.LocalFleet(sp.Problem(Quadratic(), shards))


def walked(optimizer, rounds, workers=None, b=2, w0=None):
    """Every state of a run and the question that it asked."""
    oracle = Oracle(fleet() if workers is None else workers, sp.Median(), b)
    oracle.announce(optimizer)
    state = optimizer.init(np.zeros(3) if w0 is None else w0, seed=0, max_rounds=rounds)
    path = []
    for _ in range(rounds):
        question = optimizer.ask(state)
        path.append((state, question))
        reading, oracle = oracle.ask(question)
        state = optimizer.tell(state, reading)
    return path, state


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_public_suite_passes(momentum):
    check_optimizer(BranchAndJudge(0.1, RULES, momentum=momentum, block=4))


def test_the_branches_of_a_block_share_their_first_gradient_and_no_other():
    path, _ = walked(BranchAndJudge(0.1, RULES, block=4, momentum=0.0), 20)
    asked = [len(q.points) if isinstance(q, Gradients) else -len(q.directions) for _, q in path]
    assert asked == [1, 3, 3, 3, -3] * 4


def test_a_block_begins_where_the_last_winner_ended_and_with_its_momenta_and_arm():
    path, end = walked(BranchAndJudge(0.05, RULES, block=3), 32)
    assert sum(end.wins) == 8
    for at in range(3, 31, 4):
        (before, question), (after, gradients) = path[at], path[at + 1]
        assert isinstance(question, Changes)
        won = after.last.winner
        np.testing.assert_array_equal(gradients.points[0], before.block.w[won])
        np.testing.assert_array_equal(after.entry.rows[0], before.block.momenta.rows[won])
        assert after.block.arms[0] == before.block.arms[won]


def test_every_branch_walks_as_its_rule_and_length_alone_would():
    pytest.importorskip("torch")
    optimizer = BranchAndJudge(0.05, RULES, lengths=(1.0, 2.0), block=5, challengers=9)
    path, _ = walked(optimizer, 6)
    state = path[5][0]
    for k, arm in enumerate(state.block.arms):
        rule, length = optimizer.arms[arm]
        alone = sp.GradientDescent(step=0.05 * optimizer.lengths[length])
        ended = sp.minimize(
            sp.torch.WorkerMomentum(fleet(), 0.9), alone, aggregator=RULES[rule], b=2,
            w0=np.zeros(3), max_rounds=5, certify=False,
        )  # fmt: skip
        np.testing.assert_allclose(state.block.w[k], ended.state.descent.trial[0])


def test_a_lower_loss_at_every_honest_worker_wins_against_loud_votes():
    optimizer = BranchAndJudge(0.05, RULES, lengths=(0.1, 1.0), block=3, challengers=3)
    liars = sp.Coalition(fleet(), sp.attacks.SteerJudge(sp.attacks.SignFlip(-1.0)), range(2))
    path, end = walked(optimizer, 4, liars)
    lengths = [optimizer.arms[arm][1] for arm in path[3][0].block.arms]
    assert lengths[end.last.winner] == 1


def test_a_block_whose_ends_all_climb_is_taken_back():
    optimizer = BranchAndJudge(5.0, RULES, lengths=(1.0,), block=3, momentum=0.0)
    path, end = walked(optimizer, 4, w0=np.array([1.0, -2.0, 3.5]))
    assert end.last is not None
    np.testing.assert_array_equal(end.start, path[0][0].start)
    assert "taken back" in end.event
    assert sum(end.wins) == 0


@pytest.mark.parametrize("says", ["against", "loud", "huge"])
def test_liars_cannot_have_a_block_taken_back_that_helps_the_honest(says):
    optimizer = BranchAndJudge(0.05, RULES, block=3)
    lies = sp.attacks.LyingAnswers(sp.attacks.SignFlip(-1.0), says=says, size=1e6)
    _, end = walked(optimizer, 4, sp.Coalition(fleet(), lies, range(2)))
    assert sum(end.wins) == 1


def test_the_last_block_ends_with_the_rounds():
    for rounds in (3, 7, 8, 9, 13, 14, 15, 16, 29):
        path, _ = walked(BranchAndJudge(0.1, RULES, block=6), rounds)
        assert isinstance(path[-1][1], Changes), rounds
        lengths = {state.block.length for state, _ in path}
        assert max(lengths) <= 7


def test_a_run_that_is_granted_more_rounds_plans_with_them():
    optimizer = BranchAndJudge(0.1, RULES, block=6)
    _, state = walked(optimizer, 7)
    assert snapshot.dumps(optimizer.extend(state, 7)) == snapshot.dumps(state)
    state, oracle = optimizer.extend(state, 60), Oracle(fleet(), sp.Median(), 2)
    lengths = set()
    for _ in range(20):
        reading, oracle = oracle.ask(optimizer.ask(state))
        state = optimizer.tell(state, reading)
        lengths.add(state.block.length)
    assert 6 in lengths


def test_liars_cannot_drive_a_branch_farther_than_the_longest_honest_message():
    optimizer = BranchAndJudge(1.0, (sp.Mean(),), lengths=(1.0,), momentum=0.0, block=2)
    liars = sp.Coalition(fleet(), sp.attacks.SignFlip(1e30), range(2))
    path, _ = walked(optimizer, 2, liars)
    honest = fleet().round(np.zeros((1, 3)), round_id=0).answers
    longest = max(np.linalg.norm(one[0]) for one in honest)
    step = path[1][0].block.w[0] - path[0][0].block.w[0]
    assert 0 < np.linalg.norm(step) <= longest * (1 + 1e-12)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=5), st.floats(0, 1e300))
def test_a_shortened_aggregate_keeps_its_direction_and_its_bound(entries, most):
    x = np.array(entries)
    y = shortened(x, most)
    assert np.linalg.norm(y / 1e150) <= most / 1e150 * (1 + 1e-9) + 1e-150
    if most >= 1e-290 and np.abs(x).max() > 1e-290:
        k = int(np.abs(x).argmax())
        np.testing.assert_allclose(y / y[k], x / x[k], atol=1e-9)


def test_an_aggregate_that_is_not_finite_is_no_step():
    np.testing.assert_array_equal(shortened(np.array([np.inf, 1.0]), 1.0), [0.0, 0.0])


class Cliff(Quadratic):
    """Overflows for every worker beyond w_0 = 1."""

    def gradient(self, points, data):
        return np.where(points[:, :1] > 1.0, np.nan, points - data)

    def value(self, w, data):
        return np.inf if w[0] > 1.0 else super().value(w, data)


def test_a_branch_that_overflows_stays_is_judged_and_nobody_is_charged():
    shards = [np.array([5.0, 0.0, 0.0])] * 9
    workers = sp.LocalFleet(sp.Problem(Cliff(), shards))
    optimizer = BranchAndJudge(0.02, RULES, (1.0, 80.0), momentum=0.5, block=4, challengers=3)
    path, end = walked(optimizer, 5, workers)
    over = path[1][0].block.w[:, 0] > 1
    assert over.sum() == 2
    for state, _ in path[1:]:
        np.testing.assert_array_equal(state.block.w[over], path[1][0].block.w[over])
    assert end.last.compared.shape == (4, 4)
    assert 0 < end.start[0] < 1


def test_an_absent_worker_keeps_its_momentum():
    one = Momenta.none(np.zeros(1)).after(np.ones((1, 2, 1)), ("a", "b"), 0.5)
    two = one.after(np.ones((1, 1, 1)), ("b",), 0.5)
    np.testing.assert_array_equal(two.of(("a", "b"))[0, :, 0], [0.5, 0.75])
    np.testing.assert_array_equal(two.of(("b",))[0, :, 0], [0.75])
    late = two.after(np.ones((1, 1, 1)), ("c",), 0.5)
    np.testing.assert_array_equal(late.of(("c", "a"))[0, :, 0], [0.5, 0.5])


def test_a_momentum_of_the_largest_number_stays_finite():
    most = np.finfo(np.float32).max
    momenta = Momenta.none(np.zeros(1, np.float32))
    for _ in range(50):
        momenta = momenta.after(np.full((1, 1, 1), most, np.float32), ("a",), 0.9)
    assert np.isfinite(momenta.rows).all()


def test_the_challengers_are_drawn_anew_and_are_secret_without_a_seed():
    optimizer = BranchAndJudge(0.1, RULES, lengths=(0.5, 1.0, 2.0), block=1)
    path, _ = walked(optimizer, 40)
    drawn = {state.block.arms for state, _ in path}
    assert len(drawn) > 5
    firsts = {optimizer.init(np.zeros(3)).block.arms for _ in range(20)}
    assert len(firsts) > 1


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"step": 0.0}, "step"),
        ({"rules": ()}, "rules"),
        ({"rules": sp.Median()}, "rules"),
        ({"rules": (sp.Median(), "mean")}, r"rules\[1\]"),
        ({"lengths": (1.0, 0.0)}, "lengths"),
        ({"lengths": ()}, "lengths"),
        ({"momentum": 1.0}, "momentum"),
        ({"challengers": -1}, "challengers"),
        ({"block": 0}, "block"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(options, names):
    with pytest.raises(OptionError, match=names):
        BranchAndJudge(**({"step": 0.1, "rules": RULES} | options))


def test_more_liars_than_a_rule_of_the_panel_holds_are_refused():
    optimizer = BranchAndJudge(0.1, (sp.Mean(), sp.aggregators.Krum()))
    assert optimizer.breakdown(9) == sp.aggregators.Krum().breakdown(9)
    with pytest.raises(BreakdownError):
        sp.minimize(fleet(), optimizer, b=4, w0=np.zeros(3), max_rounds=3)


def test_a_run_that_was_killed_goes_on_in_the_same_bytes(tmp_path):
    def run(name, callback=None, resume=False):
        return sp.minimize(
            fleet(), BranchAndJudge(0.05, RULES, block=4), b=2, w0=np.zeros(3), seed=1,
            max_rounds=20, checkpoint=tmp_path / name, resume=resume, certify=False,
            callback=callback,
        )  # fmt: skip

    whole = run("whole")
    assert run("cut", lambda progress: progress.record.round == 7).rounds == 8
    assert snapshot.dumps(run("cut", resume=True).state) == snapshot.dumps(whole.state)


def test_fit_trains_by_branches_without_a_momentum_of_its_own():
    torch = pytest.importorskip("torch")
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    shards = [(part, part @ torch.tensor([[1.0], [-2.0]])) for part in x.chunk(5)]
    module, result = sp.torch.fit(
        torch.nn.Linear(2, 1), torch.nn.functional.mse_loss, shards, b=1, batch_size=4, rounds=44,
        optimizer=BranchAndJudge(0.1, RULES), attack=sp.attacks.SteerJudge(), seed=0, certify=False,
    )  # fmt: skip
    assert result.state.done == 44
    assert sum(result.state.wins) == 4
    np.testing.assert_allclose(module.weight.detach().numpy(), [[1.0, -2.0]], atol=0.3)
