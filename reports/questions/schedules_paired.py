"""One rule under several schedules, held against one of them seed by seed: means, spreads, amounts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..document.numbers import NONE, percent, plural
from ..effects.contrasts import MATCHED
from ..effects.estimate import Estimate, interval_of
from ..effects.pairing import accuracies, apart
from ..records.folder import Arm, Results
from ..statistics import Interval, correlation, holm, mean_interval, spread_ratio, t_test
from ..statistics.flips import sign_flip_interval, sign_flip_test
from ..statistics.power import spread_shown
from ..statistics.samples import Array

MEAN, SPREAD = "difference in accuracy", "spread ratio"

Points = Mapping[int, float]
"""Accuracy in per cent, or a difference in points, by seed."""


@dataclass(frozen=True)
class Runs:
    """The runs of one arm by seed: ``points`` in per cent, ``trained`` images, ``ratio`` of trained to candidates."""

    points: Points
    trained: Points
    ratio: float
    """Mean over seeds; nan without runs."""

    @classmethod
    def of(cls, results: Results, arm: Arm | str) -> Runs:
        points, cells = accuracies(results, arm), results.of(arm)
        trained = {seed: float(cells[seed].picks.trained_samples) for seed in points}
        return cls(points, trained, float(np.mean([cells[seed].picks.mean_ratio for seed in points] or [math.nan])))

    @property
    def kept(self) -> str:
        return NONE if math.isnan(self.ratio) else f"{self.ratio:.3f}"

    @property
    def accuracy(self) -> str:
        return percent(sum(self.points.values()) / len(self.points)) if self.points else NONE


def mean(quantity: str, keys: Mapping[str, str], differences: Points, kind: str = "t") -> Estimate:
    """The mean with the paired ``t`` interval or that of inverted ``sign-flip`` tests, from two seeds on.

    The record has the differences ``by_seed`` and the two-sided ``p``, None below two seeds.
    """
    values = np.array(list(differences.values()), dtype=np.float64)
    record: dict[str, Any] = {"by_seed": differences, "p": None}
    if values.size < 2:
        found = Interval(float(values[0]), *3 * (math.nan,)) if values.size else None
    else:
        interval, test = (sign_flip_interval, sign_flip_test) if kind == "sign-flip" else (mean_interval, t_test)
        found = Interval(float(values.mean()), *interval(values)[1:])
        record["p"] = min(1.0, 2 * min(test(values), test(-values)))
    return replace(interval_of(quantity, keys, found, values.size, "points"), record=record)


def compare(suffix: str, keys: Mapping[str, str], ours: Runs, theirs: Runs, kind: str) -> tuple[Estimate, Estimate]:
    """The difference in accuracy between two schedules, at the seeds that both have, and the ratio of the SDs.

    The ratio has no value below three seeds or where one side has no spread. The difference's record has the ``sds``
    and the ``correlation`` of the pairs, the runs (``ours``), ``amount``, images trained on as a multiple of the
    other's (None where unknown), and whether both train on as many at every seed (``matched``).
    """
    found = mean(f"{MEAN}{suffix}", keys, apart(ours.points, theirs.points), kind)
    seeds = [*found.record["by_seed"]]
    x, y = (np.array([side.points[seed] for seed in seeds], dtype=np.float64) for side in (ours, theirs))
    ratio = spread_ratio(x, y) if len(seeds) > 2 else None
    spread = Estimate(f"{SPREAD}{suffix}", keys, None, n=len(seeds), record={"p": None})
    if ratio is not None and math.isfinite(ratio.low):
        p = min(1.0, 2 * min(ratio.p_steadier, 1 - ratio.p_steadier))
        spread = replace(spread, value=ratio.ratio, low=ratio.low, high=ratio.high, record={"p": p})
    own, other = (sum(side.trained[seed] for seed in seeds) for side in (ours, theirs))
    found = found.noted(
        sds=(float(x.std(ddof=1)), float(y.std(ddof=1))) if len(seeds) > 1 else None,
        correlation=correlation(x, y) if seeds else None,
        ours=ours,
        amount=own / other if other else None,
        matched=all(abs(ours.trained[s] - theirs.trained[s]) <= MATCHED * theirs.trained[s] for s in seeds),
    )
    return found, spread


def adjusted(family: Sequence[Estimate]) -> list[Estimate]:
    """The family with ``adjusted`` p-values by Holm in their records; None where there is no p."""
    p = [e.record["p"] for e in family]
    left = iter(holm([value for value in p if value is not None]).tolist())
    return [e.noted(adjusted=None if value is None else next(left)) for e, value in zip(family, p, strict=True)]


def power(pairs: Sequence[Estimate], alpha: float) -> str:
    """The ratio of SDs that the pairs of the most seeds show, tested alone; empty below three seeds."""
    seeds = max((pair.n for pair in pairs), default=0)
    known = [of for pair in pairs if pair.n == seeds and (of := pair.record["correlation"]) is not None]
    if seeds < 3 or not known:
        return ""
    middle = max(-0.999, min(0.999, math.fsum(known) / len(known)))
    sd = spread_shown(seeds, correlation=middle, alpha=alpha)
    shown = f"{plural(seeds, 'seed')} show an SD {sd:.2f} times the other's, or its inverse, in four cases of five"
    return f" {shown} where it is tested alone."


def per_doubling(knots: Sequence[Runs]) -> dict[int, float]:
    """Points for each doubling of the images trained on: at each seed the slope over ``knots``, by least squares."""
    read = _read(knots, with_all(knots))
    return {seed: float(np.polyfit(x, y, 1)[0]) for seed, x, y in read if np.ptp(x) > MATCHED}


def at_own_amount(ours: Runs, knots: Sequence[Runs]) -> dict[int, float]:
    """Ours less a fixed schedule of its own amount, by seed.

    The latter is read between ``knots``, straight over the logarithm of the images trained on; seeds at which ours
    trained on fewer or more than any of them are left out.
    """
    return {
        seed: ours.points[seed] - float(np.interp(own, x, y))
        for seed, x, y in _read(knots, with_all([ours, *knots]))
        if x[0] - MATCHED <= (own := math.log2(ours.trained[seed])) <= x[-1] + MATCHED
    }


def with_all(runs: Sequence[Runs]) -> list[int]:
    """The seeds that all have, with images trained on."""
    return [seed for seed in runs[0].points if all(seed in of.points and of.trained[seed] > 0 for of in runs)]


def _read(runs: Sequence[Runs], seeds: Iterable[int]) -> Iterator[tuple[int, Array, Array]]:
    """Binary logarithm of the amounts, rising, and accuracy at each, by seed."""
    for seed in seeds:
        known = sorted((math.log2(of.trained[seed]), of.points[seed]) for of in runs)
        yield seed, *np.array(known).T
