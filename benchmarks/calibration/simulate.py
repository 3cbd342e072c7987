"""The simulations: a row for each procedure, population and number of pairs.

Each cell has a generator of its own, keyed by the seed, the part, the population and n, so that a row does not depend
on which others are run. All procedures of a cell see the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from ...reports import statistics as s
from .populations import COSTS, POPULATIONS, Population
from .procedures import (
    ALPHA,
    CONFIDENCE,
    COST_CONFIDENCE,
    FAMILY,
    FAMILY_TEST,
    INTERVALS,
    TESTS,
    Sample,
    false_verdict,
    ratio_holds,
)

PAIRS = (5, 8, 12, 20)
SEED = 20_260_101
LEVELS = (ALPHA, ALPHA / FAMILY)
POWERS = (0.3, 0.5, 0.8, 0.95)
TRUE_LOSS = 0.25  # of the SD: what a strategy truly loses in half of the power cells
POWER_ERROR = 0.05
# Test images of a McNemar test, and the share of them that one of two runs has right alone
IMAGES, DISAGREE = 500, (0.02, 0.1)


@dataclass(frozen=True)
class Row:
    """One measured rate."""

    part: str  # the table that it stands in
    procedure: str
    population: str
    n: int  # pairs (test images for McNemar)
    nominal: float  # the level, the confidence, or what the power function says
    draws: int
    rate: float  # share of the draws that rejected, held the truth, or showed non-inferiority
    low: float = -math.inf  # what the rate is held to: infinite where it is published only
    high: float = math.inf

    @property
    def error(self) -> float:
        return math.sqrt(self.rate * (1 - self.rate) / self.draws)

    def __str__(self) -> str:
        bound = self.low if self.rate < self.low else self.high
        cell = f"{self.procedure}, {self.population}, n = {self.n}, nominal {self.nominal:.4g}"
        return f"{cell}: {self.rate:.4f} (bound {bound:.4f})"

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.high)

    @property
    def missed(self) -> bool:
        return not self.low <= self.rate <= self.high


Job = Callable[[int], Iterator[Row]]
"""The rows of one cell with so many draws."""


def most(level: float, draws: int) -> float:
    """Largest rate that a test of this size is allowed: the level and two Monte-Carlo standard errors."""
    return level + 2 * math.sqrt(level * (1 - level) / draws)


def sizes(population: Population, n: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Sizes of all tests, false verdicts, and coverage of the intervals of a difference: one cell."""
    rng = np.random.default_rng([seed, 0, POPULATIONS.index(population), n])
    p = {test: np.empty(draws) for test in TESTS}
    shown, held = 0, dict.fromkeys(INTERVALS, 0)
    for i in range(draws):
        drawn = population.draw(rng, (FAMILY, n))
        sample = Sample(drawn, tuple(int(k) for k in (drawn < population.collapse).sum(axis=1)))
        for test in TESTS:
            p[test][i] = test.p(sample)
        # Where the family's test rejects nothing, no verdict can: that spares most of the work.
        shown += p[FAMILY_TEST][i] <= ALPHA and false_verdict(sample)
        for name, holds in INTERVALS.items():
            held[name] += holds(sample.first)
    for test, values in p.items():
        for level in LEVELS:
            rate = float(np.mean(values <= level))
            high = most(level, draws) if test.bounded(population.name, population.symmetric) else math.inf
            yield Row("size", test.name, population.name, n, level, draws, rate, high=high)
    yield Row("verdict", "verdicts of 3, as shown", population.name, n, ALPHA, draws, shown / draws)
    for name, count in held.items():
        yield Row("coverage", name, population.name, n, CONFIDENCE, draws, count / draws)


def images(draws: int, seed: int = SEED) -> Iterator[Row]:
    """Size of McNemar's test, both runs equally good."""
    for cell, share in enumerate(DISAGREE):
        rng = np.random.default_rng([seed, 1, cell])
        p = np.empty(draws)
        for i in range(draws):
            ours, differs, other = rng.random((3, 1, IMAGES)) < [[[0.9]], [[share]], [[0.5]]]
            p[i] = s.mcnemar(np.where(differs, other, ours), np.where(differs, ~other, ours))[0].p
        name = f"{share:.0%} of images differ"
        for level in LEVELS:
            rate = float(np.mean(p <= level))
            yield Row("size", "McNemar", name, IMAGES, level, draws, rate, high=most(level, draws))


def costs(draws: int, seed: int = SEED) -> Iterator[Row]:
    """Coverage of the interval of a ratio of mean costs; the truth is 0.3."""
    for cell, population in enumerate(COSTS):
        for n in PAIRS:
            rng = np.random.default_rng([seed, 2, cell, n])
            samples = (population.draw(rng, (2, n)) for _ in range(draws))
            held = sum(ratio_holds(0.3 * ours, theirs, 0.3) for ours, theirs in samples)
            yield Row("coverage", "ratio of costs, Fieller", population.name, n, COST_CONFIDENCE, draws, held / draws)


def powers(draws: int, seed: int = SEED) -> Iterator[Row]:
    """Chance to show non-inferiority, normal differences, at margins that the power function gives these chances."""
    for cell, (power, truth) in enumerate((power, truth) for truth in (0.0, -TRUE_LOSS) for power in POWERS):
        for n in PAIRS:
            rng = np.random.default_rng([seed, 3, cell, n])
            margin = s.smallest_margin(1.0, n, alpha=ALPHA, power=power) - truth
            told = s.power_noninferior(n, 1.0, margin, alpha=ALPHA, difference=truth)
            shown = sum(s.t_test(rng.normal(truth, 1.0, n), -margin) <= ALPHA for _ in range(draws))
            bounds = {"low": told - POWER_ERROR, "high": told + POWER_ERROR}
            yield Row("power", "t, non-inferiority", f"truth {truth:g} SD", n, told, draws, shown / draws, **bounds)


def jobs() -> list[Job]:
    cells = [partial(_sizes, *at) for at in product(range(len(POPULATIONS)), PAIRS)]
    return [images, costs, powers, *cells]


def _sizes(population: int, n: int, draws: int) -> Iterator[Row]:
    return sizes(POPULATIONS[population], n, draws)
