"""Every constant of `GradientOnlyPGD`, and what it does. None has a unit of the problem."""

from __future__ import annotations

from typing import Final

#: Guards a division by a length that may be zero.
TINY: Final = 1e-300

# --- descent -------------------------------------------------------------------------------------
#: The current point is a candidate when |g_hat| <= STATIONARY * Delta_hat (Theorem 3's epsilon).
STATIONARY: Final = 3.0
#: It is one too when step * |g_hat| <= STILL * (1 + |w|): further steps would be lost beside w.
STILL: Final = 1e-5
#: Rounds of further descent at a candidate, while its one-number-per-worker slope is certain.
EXTRA_ROUNDS: Final = 8
#: A step is accepted iff step * |difference of gradients| / |difference of points| is at most this.
ACCEPT: Final = 1.25
#: Below this value of the same product a step that was cut may grow again, by GROW at most.
GROW_BELOW: Final = 0.35
GROW: Final = 1.5
#: A rejected step shrinks at least to half, at most to 1/64.
SHRINK_LEAST, SHRINK_MOST = 0.5, 1 / 64

# --- probes --------------------------------------------------------------------------------------
#: Radii and steps are probed on a geometric ladder with this ratio.
LADDER: Final = 4.0
#: Exponents of the first step's ladder, and of the ladder of radii around a point.
STEP_RUNGS: Final = range(-6, 7)
RADIUS_RUNGS: Final = range(-4, 8)
#: Random directions of a probe.
DIRECTIONS: Final = 2
#: The first probe is repeated while it moved the step by more than this factor, PROBES times.
FAR_OFF: Final = 1024.0
PROBES: Final = 3
#: Smallest radius relative to 1 + |w|: noise-free problems have no scale of their own.
FLOOR: Final = 1e-6
#: The quadratic model holds up to the radius where the difference quotient has moved by this
#: share of the reference curvature.
NONLINEAR: Final = 0.2

# --- escapes -------------------------------------------------------------------------------------
#: Start radii, as shares of the radius up to which the quadratic model holds.
LEVELS: Final = (1.0, 1 / 4, 1 / 16, 1 / 64)
#: Rounds of one escape; heavy-ball momentum inside it.
ROUNDS: Final = 20
MOMENTUM: Final = 0.8
#: First round of an escape that tests, and the rounds from one test to the next.
FIRST_TEST, TEST_EVERY = 4, 2
#: An escape goes on while its best clear decrease still grows by this factor.
IMPROVES: Final = 1.3
#: A start that began at most at this level and grew shows negative curvature.
CURVED_LEVEL: Final = 1 / 4
#: Jumps of a run that are only likely, not clearly, lower in the loss.
SOFT_JUMPS: Final = 3
#: Curvature tolerance unless given, and noise tolerance, as shares of the reference curvature.
TOLERANCE: Final = 0.5
#: Rounds of plain descent after the first unresolved escape; doubled each time.
WAIT: Final = 5

# --- evidence ------------------------------------------------------------------------------------
#: A saddle below the curvature bound would have been left with probability 1 - DELTA.
DELTA: Final = 0.05
#: Growth that makes a start's share of the escape direction visible: 6 sqrt(d).
VISIBLE: Final = 6.0
