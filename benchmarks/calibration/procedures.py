"""What is calibrated: the product's own functions, called on one made sample at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...reports import statistics as s
from ...reports.effects.verdicts import NON_INFERIOR, SUPERIOR, WORSE_WITHIN, Evidence, decide
from .populations import Array

ALPHA, FAMILY = 0.05, 3  # one-sided level of a family, and how many primary contrasts one may have
MARGIN = 3.0  # points. Wide against the noise, so that the other side of an equivalence test never decides
CONFIDENCE = 1 - 2 * ALPHA
COST_CONFIDENCE = 0.95
SHOWN = {SUPERIOR, NON_INFERIOR, WORSE_WITHIN}
SCALES = np.array([[1.0], [2.0], [4.0]])  # noise of the three data sets that are pooled, relative to each other


@dataclass(frozen=True)
class Sample:
    """One draw: three contrasts (or data sets) of n pairs each, mean 0, and the runs of each that collapsed."""

    contrasts: Array
    collapsed: tuple[int, ...]

    @property
    def first(self) -> Array:
        return self.contrasts[0]


@dataclass(frozen=True)
class Procedure:
    """A test whose null holds: ``p`` of a sample; ``exact`` says for which populations its size is bounded."""

    name: str
    p: Callable[[Sample], float]
    exact: str = ""

    def bounded(self, name: str, symmetric: bool) -> bool:
        """Whether the test keeps its level by theory in a population of this name and symmetry."""
        return {"": False, "normal": name == "normal", "symmetric": symmetric}[self.exact]


FAMILY_TEST = Procedure(
    "Holm, smallest of 3", lambda x: float(s.holm([s.t_test(d - MARGIN, -MARGIN) for d in x.contrasts]).min()), "normal"
)


def _pitman_morgan(sample: Sample) -> float:
    a, b, shared = sample.contrasts
    return s.spread_ratio(a + shared, b + shared).p_steadier


TESTS = (
    Procedure("t, superiority", lambda x: s.t_test(x.first), "normal"),
    Procedure("t, non-inferiority at its margin", lambda x: s.t_test(x.first - MARGIN, -MARGIN), "normal"),
    Procedure("sign flips", lambda x: s.sign_flip_test(x.first), "symmetric"),
    Procedure("Wilcoxon", lambda x: s.wilcoxon_test(x.first), "symmetric"),
    Procedure("equivalence (TOST) at its margin", lambda x: s.equivalence_test(x.first + MARGIN, MARGIN)),
    FAMILY_TEST,
    Procedure("pooled over 3 data sets", lambda x: s.fixed_effect(x.contrasts * SCALES).p_superior),
    Procedure("Pitman-Morgan, steadier", _pitman_morgan),
)


def false_verdict(sample: Sample) -> bool:
    """Whether some verdict of a family of 3 says non-inferior or better, all truly worse by just the margin."""
    family = [Evidence(d - MARGIN, MARGIN, k) for d, k in zip(sample.contrasts, sample.collapsed, strict=True)]
    return any(decision.verdict in SHOWN for decision in decide(family, ALPHA))


def _holds(interval: s.Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


INTERVALS: dict[str, Callable[[Array], bool]] = {
    "t": lambda d: _holds(s.mean_interval(d, CONFIDENCE), 0.0),
    # It holds 0 where neither side rejects, which takes two tests, not the ninety of an inversion.
    "sign flips, inverted": lambda d: min(s.sign_flip_test(d), s.sign_flip_test(-d)) >= ALPHA,
    "BCa bootstrap": lambda d: _holds(s.bca_interval((d,), s.mean_of, CONFIDENCE), 0.0),
}


def ratio_holds(a: Array, b: Array, truth: float) -> bool:
    found = s.ratio_interval(a, b, COST_CONFIDENCE)
    return found is not None and _holds(found, truth)
