"""What each proxy's ranking is worth, with intervals over recipes and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..statistics.crossed import crossed_means, replica_interval
from ..statistics.rankcorrelation import (
    Halves,
    halves,
    kendall,
    least_difference,
    pair_agreement,
    regret,
    repeatability,
    spearman,
)
from ..statistics.samples import Interval
from .rankingrecipes import Recipes, Scores, overlap

Means = NDArray[np.float64]

FEWEST = 5
"""Recipes below which a ranking says nothing."""
TOP = (1, 3, 5)
SAME = 0.999


@dataclass(frozen=True)
class Ranked:
    """One proxy against the target.

    Parameters
    ----------
    spearman, kendall : Interval
    gain : Interval or None
        Its Spearman correlation less that of the first proxy, on the same resamples; None for the first.
    pairs, apart : Interval
        Share of pairs of recipes in the target's order: of all, and of those that the target tells apart.
    regrets : dict of int to Interval
        Points that the best of the proxy's first k recipes loses on the target's best, by k.
    repeat : float
        What its own ranking would correlate with that of as many other seeds.
    same : Interval or None
        Spearman correlation over the recipes that have the same images here and in the target, where there are others.
    halves : Halves
        Spearman correlations with half of the seeds, the same or others; nan where seeds are not shared.
    cost : float
        FLOPs of training one run, as a share of the target's.
    """

    spearman: Interval
    kendall: Interval
    gain: Interval | None
    pairs: Interval
    apart: Interval
    regrets: Mapping[int, Interval]
    repeat: float
    same: Interval | None
    halves: Halves
    cost: float


@dataclass(frozen=True)
class Measured:
    """All proxies, with what the target can be held to.

    Parameters
    ----------
    recipes : Recipes
    ranked : dict of label to Ranked
    repeat : float
        What the target's ranking would correlate with its own at as many other seeds: the noise ceiling.
    least : float
        Points by which two recipes' means must differ for the target to tell them apart.
    told : int
        Pairs that do.
    shared : tuple of int
        Places of recipes with the same images in every entry.
    """

    recipes: Recipes
    ranked: Mapping[str, Ranked]
    repeat: float
    least: float
    told: int
    shared: tuple[int, ...]

    def ceiling(self, label: str) -> float:
        """The correlation that noise leaves to a proxy that is right: of its ranking and the target's."""
        return math.sqrt(self.repeat * self.ranked[label].repeat)

    def corrected(self, label: str) -> float:
        """The correlation with the noise of both rankings taken off (Spearman 1904); above 1 where noise is shared."""
        ceiling = self.ceiling(label)
        return self.ranked[label].spearman.estimate / ceiling if ceiling > 0 else math.nan


def measure(recipes: Recipes) -> Measured:
    """Everything, from the recipes' scores."""
    target, least = recipes.target, least_difference(recipes.target.table)
    tables = [target.table, *(proxy.table for proxy in recipes.proxies.values())]
    drawn = crossed_means(tables, together=recipes.together)
    shared = _shared(recipes)
    first = next(iter(recipes.proxies.values()))
    ranked = {}
    for place, (label, proxy) in enumerate(recipes.proxies.items(), 1):
        both = _Both(target.means, proxy.means, drawn[0], drawn[place])
        gain = None
        if place > 1:
            held = _Both(target.means, first.means, drawn[0], drawn[1])
            gain = replica_interval(
                float(spearman(both.target, both.proxy) - spearman(held.target, held.proxy)),
                spearman(both.targets, both.proxies) - spearman(held.targets, held.proxies),
            )
        ranked[label] = Ranked(
            spearman=both.of(spearman),
            kendall=both.of(kendall),
            gain=gain,
            pairs=both.of(pair_agreement),
            apart=both.of(lambda a, b: pair_agreement(a, b, least)),
            regrets={k: both.of(lambda a, b, k=k: regret(a, b, k), corrected=False) for k in TOP},
            repeat=repeatability(proxy.table),
            same=_over(shared, target, proxy, recipes.together),
            halves=halves(target.table, proxy.table) if recipes.together else Halves(math.nan, math.nan),
            cost=proxy.training / target.training,
        )
    gaps = np.abs(np.subtract.outer(target.means, target.means))
    told = int(np.count_nonzero(gaps > least)) // 2
    return Measured(recipes, ranked, repeatability(target.table), least, told, shared)


@dataclass(frozen=True)
class _Both:
    """Means of the recipes ``[recipes]``, and their resamples ``[resamples, recipes]``."""

    target: Means
    proxy: Means
    targets: Means
    proxies: Means

    def of(self, statistic: Callable[..., Means], *, corrected: bool = True) -> Interval:
        estimate = float(statistic(self.target, self.proxy))
        return replica_interval(estimate, statistic(self.targets, self.proxies), corrected=corrected)


def _shared(recipes: Recipes) -> tuple[int, ...]:
    """Recipes that picked the same images in the target and in every proxy."""
    found = []
    for place in range(len(recipes.names)):
        shares = [overlap(recipes.target, proxy, place) for proxy in recipes.proxies.values()]
        if all(share is not None and share >= SAME for share in shares):
            found.append(place)
    return tuple(found)


def _over(places: tuple[int, ...], target: Scores, proxy: Scores, together: bool) -> Interval | None:
    if not FEWEST <= len(places) < len(target.table):
        return None
    a, b = (scores.table[list(places)] for scores in (target, proxy))
    drawn = crossed_means([a, b], together=together)
    return _Both(a.mean(1), b.mean(1), *drawn).of(spearman)
