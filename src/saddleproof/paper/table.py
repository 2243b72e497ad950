"""The experiments in the order of the paper, by name."""

from __future__ import annotations

from typing import Any

from saddleproof.errors import OptionError
from saddleproof.paper.lemma1 import Lemma1Experiment
from saddleproof.paper.lemma3 import Lemma3Experiment
from saddleproof.paper.lemma4 import Lemma4Experiment
from saddleproof.paper.observation1 import Observation1Experiment
from saddleproof.paper.observation2 import Observation2Experiment
from saddleproof.paper.proposition1 import Proposition1Experiment
from saddleproof.paper.proposition2 import Proposition2Experiment
from saddleproof.paper.proposition3 import Proposition3Experiment
from saddleproof.paper.proposition4 import Proposition4Experiment
from saddleproof.paper.table3 import Table3Experiment
from saddleproof.paper.theorem3 import Theorem3Experiment
from saddleproof.paper.theorem4 import Theorem4Experiment
from saddleproof.paper.theorem5 import Theorem5Experiment
from saddleproof.paper.theorem7 import Theorem7Experiment
from saddleproof.paper.theorem8 import Theorem8Experiment
from saddleproof.paper.vacuity import VacuityExperiment

#: Section 4, then Section 5, then Appendices A and B.
EXPERIMENTS: dict[str, Any] = {
    experiment.name: experiment()
    for experiment in (
        Theorem3Experiment, VacuityExperiment, Observation1Experiment, Proposition1Experiment,
        Theorem4Experiment, Proposition2Experiment, Theorem5Experiment, Theorem7Experiment,
        Theorem8Experiment, Table3Experiment, Observation2Experiment, Proposition3Experiment,
        Proposition4Experiment, Lemma1Experiment, Lemma3Experiment, Lemma4Experiment,
    )
}  # fmt: skip


def chosen(names: tuple[str, ...]) -> list[Any]:
    """The experiments of these names; without names, all of them.

    Raises:
        OptionError: a name that no experiment has.
    """
    for name in names:
        if name not in EXPERIMENTS:
            known = ", ".join(EXPERIMENTS)
            raise OptionError(f"no statement is called {name!r}; there are {known}")
    return [EXPERIMENTS[name] for name in names] if names else list(EXPERIMENTS.values())
