"""What a search says: found, or not, and then what that does not prove."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.lab.red_team.findings import Attempt, Findings, Objective
from saddleproof.lab.red_team.outcomes import REFUSED, Outcome
from saddleproof.lab.red_team.target import Target
from saddleproof.lab.shares import wilson

TARGET = Target({}, 3, None)  # type: ignore[arg-type]


def run(*, left: bool = True, forged: bool = False, status: str = "open") -> Outcome:
    return Outcome(left, forged, False, 0.0, 1.0, status)


def attempt(name: str, *outcomes: Outcome) -> Attempt:
    return Attempt({"name": name}, outcomes)


def findings(
    worst: Attempt | None, *tried: Attempt, objective: Objective = "trap", **more: Any
) -> Findings:
    return Findings(worst, tried, objective, 40, TARGET, **more)


def test_nothing_found_tells_what_was_tried_and_what_it_does_not_prove() -> None:
    found = findings(attempt("a", *[run()] * 20), attempt("a", run(), run()), attempt("b", run()))
    assert found.verdict == (
        "Nothing found: under the attack that the search chose, 0 of 20 runs on fresh seeds were "
        "held at the saddle; 0 of 3 runs of the search itself were held at the saddle; attacks "
        "tried: 2, in 40 runs. This does not prove that there is no such attack: under this one "
        f"the share may still be up to {wilson(0, 20).high:.2f} (95 % interval), and of attacks "
        "that were not tried it says nothing."
    )
    assert str(found).startswith(found.verdict)


def test_what_the_search_saw_is_told_where_fresh_seeds_show_nothing() -> None:
    found = findings(attempt("a", run()), attempt("a", run(left=False), run()))
    assert "1 of 2 runs of the search itself were held at the saddle" in found.verdict


def test_an_attack_that_was_refused_was_not_tried() -> None:
    refused = attempt("a", run(status=REFUSED))
    assert (
        "attacks tried: 1, in 40 runs"
        in findings(attempt("b", run()), refused, attempt("b", run())).verdict
    )
    assert findings(refused, refused).verdict.startswith("Nothing was tried")


def test_an_interrupted_search_has_no_verdict() -> None:
    found = findings(None, attempt("a", run(left=False)), interrupted=True)
    assert found.verdict.startswith("Not finished: no attack was measured on fresh seeds")
    assert "1 of 1 runs of the search itself were held" in found.verdict


@pytest.mark.parametrize(
    ("objective", "outcome", "says"),
    [
        ("trap", run(forged=True), "Beside that, 2 of 2 said of their end what is not so."),
        ("lie", run(left=False), "Beside that, 2 of 2 were held at the saddle."),
    ],
)
def test_the_other_harm_is_told_too(objective: Objective, outcome: Outcome, says: str) -> None:
    one = attempt("a", outcome, outcome)
    verdict = findings(one, one, objective=objective).verdict
    assert verdict.startswith("Nothing found")
    assert says in verdict


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9),
    st.sampled_from(["trap", "lie"]),
)
def test_it_says_found_exactly_where_a_fresh_run_met_the_objective(
    ends: list[tuple[bool, bool]], objective: Objective
) -> None:
    outcomes = [run(left=left, forged=forged) for left, forged in ends]
    hits = sum(forged if objective == "lie" else not left for left, forged in ends)
    one = attempt("a", *outcomes)
    verdict = findings(one, one, objective=objective).verdict
    assert verdict.startswith("Found") == (hits > 0)
    if hits:
        assert f"{hits} of {len(ends)} runs on fresh seeds" in verdict
    assert one.harm(objective) >= hits / len(ends)
