"""Can small runs be trusted? The ranking of recipes by small nets against that by a larger, tuned one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator
from scipy import stats

from ..document.blocks import Chart, Series, Table
from ..document.numbers import correlation, percent, plural, share
from ..effects.estimate import Column, Estimate, Estimates, interval_of
from ..records.folder import Results
from ..statistics import rankcorrelation as rank
from ..statistics.crossed import crossed_means, replica_interval
from ..statistics.samples import Array, Interval
from .answer import Answer, DatasetName, Several, Study, Summary, known
from .ranking_recipes import METRICS, Recipes, gather

SPEARMAN = "Spearman correlation of the proxy's ranking with the target's"
KENDALL = "Kendall correlation of the proxy's ranking with the target's"
PAIRS = "share of pairs of recipes that the proxy puts in the target's order"
APART = "share of pairs told apart by the target that the proxy puts in its order"
REGRET = "points of the target's accuracy that the proxy's first recipe loses"
GAIN = "Spearman correlation with the target's ranking, less that of the first proxy"
CEILING = "Spearman correlation of the target's ranking with its own at other seeds"
CLAIMED = (CEILING, SPEARMAN, KENDALL, PAIRS, APART, REGRET, GAIN)
"""What claims may read; the tables have more."""
NOISE, CORRECTED, COST = "ceiling", "noise taken off", "training FLOPs of a run, of the target's"
HALVES = ("half of the seeds, the same for both", "half of the seeds, unlike ones")

SCOPE = "Transfer to multi-epoch vision, which the paper (arXiv 2512.24503) does not claim."
FEWEST = 5
"""Recipes below which a ranking says nothing."""
MANY = 20
"""Recipes that a study of this kind should have at the least."""
TOP = (3, 5)
"""How many of a proxy's first recipes may be tried at the target's size, for its regret."""
SAME = 0.999
"""Share of images in common from which on two entries have picked the same."""


class Ranking(Study):
    """Ranks the same recipes by small nets and by the target.

    Parameters
    ----------
    target : str
        Name of an entry of ``[[datasets]]``.
    proxies : mapping
        What each proxy is called -> the name of its entry. The answer is about the first, that at the standard rate.
    recipes : tuple of str
        Labels; all strategies and both baselines by default.
    metric : str
        What the proxies are ranked by: ``accuracy`` (on test) or ``val accuracy``.
    """

    target: DatasetName = Field(description='the entry that the others are to stand for, such as target = "cifar10"')
    proxies: dict[str, DatasetName] = Field(
        min_length=1, description='a table of names and entries, such as { "proxy at the standard rate" = "proxy" }'
    )
    recipes: Several[str] = ()
    metric: str = METRICS[0]

    @model_validator(mode="after")
    def _is_in_the_matrix(self, info: ValidationInfo) -> Self:
        if len({self.target, *self.proxies.values()}) <= len(self.proxies):
            raise ValueError("target and proxies are entries of their own: name each of them once")
        names: Any = info.context
        for label in self.recipes:
            known(label, (*names.strategies, "full", "uniform"))
        known(self.metric, METRICS)
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The first proxy's correlation; what is lacking where there are too few recipes."""
        recipes = gather(results, self.target, self.proxies, self.recipes, self.metric)
        count = 0 if recipes is None else len(recipes.names)
        if recipes is None or count < FEWEST:
            there = f"{plural(count, 'recipe')} with runs for the target and every proxy"
            lacking = f"{there}, and a ranking needs {FEWEST} at least"
            return Answer(f"No answer yet: {lacking}.", enough=False, notes=(SCOPE,))
        ranked = _Rankings(recipes, self.target, self.metric)
        return Answer(
            sentence=f"{results.matrix.datasets[self.target].title}: {ranked.sentence()}.",
            enough=len(recipes.target.seeds) > 1,
            quantities=Estimates(e for e in ranked.found if e.quantity in CLAIMED).quantities(known=False),
            tables=tuple(ranked.tables()),
            charts=tuple(ranked.charts()),
            notes=(SCOPE, *ranked.notes()),
        )


@dataclass(frozen=True)
class _Both:
    """Means of the recipes ``[recipes]`` by target and proxy, and their resamples ``[resamples, recipes]``."""

    target: Array
    proxy: Array
    targets: Array
    proxies: Array

    def of(self, statistic: Callable[..., Array], *, corrected: bool = True) -> Interval:
        estimate = float(statistic(self.target, self.proxy))
        return replica_interval(estimate, statistic(self.targets, self.proxies), corrected=corrected)

    def beyond(self, other: _Both) -> Interval:
        """Spearman's correlation less that of ``other``, on the same resamples."""
        estimate = float(rank.spearman(self.target, self.proxy) - rank.spearman(other.target, other.proxy))
        return replica_interval(
            estimate, rank.spearman(self.targets, self.proxies) - rank.spearman(other.targets, other.proxies)
        )


class _Rankings:
    """Every proxy against the target.

    ``least`` are the points by which two recipes' means must differ for the target to tell them apart, ``repeat`` is
    what its ranking would correlate with its own at as many other seeds, ``same`` names the correlation over the
    recipes that pick the same images in every entry.
    """

    def __init__(self, recipes: Recipes, dataset: str, metric: str) -> None:
        self.recipes, self.dataset, self.target, self.metric = recipes, dataset, recipes.target, metric
        self.name = "tuned target" if recipes.tuned else "target"
        self.least, self.repeat = rank.least_difference(self.target.table), rank.repeatability(self.target.table)
        self.overlaps = [
            [self.target.overlap(proxy, place) for proxy in recipes.proxies.values()]
            for place in range(len(recipes.names))
        ]
        alike = [all(share is not None and share >= SAME for share in shares) for shares in self.overlaps]
        self.shared = np.flatnonzero(alike)
        self.same = f"Spearman, the {len(self.shared)} recipes of the same images"
        self.found = Estimates(self._estimates())
        self.ranked = Estimates(e for e in self.found if "proxy" in e.keys)

    def _estimates(self) -> Iterator[Estimate]:
        recipes, target, n = self.recipes, self.target, len(self.target.seeds)
        of = {"dataset": self.dataset, "strategy": self.name, "rival": ""}
        yield interval_of(CEILING, of, _alone(self.repeat), n, "correlation")
        tables = [target.table, *(proxy.table for proxy in recipes.proxies.values())]
        means, drawn = [table.mean(1) for table in tables], crossed_means(tables, together=recipes.together)
        pairs = [_Both(means[0], mean, drawn[0], by) for mean, by in zip(means[1:], drawn[1:], strict=True)]
        for both, (label, proxy) in zip(pairs, recipes.proxies.items(), strict=True):
            keys = {"dataset": self.dataset, "strategy": label, "rival": self.name, "proxy": label}
            ours, ceiling = both.of(rank.spearman), math.sqrt(self.repeat * rank.repeatability(proxy.table))
            split = rank.halves(target.table, proxy.table) if recipes.together else (math.nan, math.nan)
            for name, found, unit in (
                (SPEARMAN, ours, "correlation"),
                (KENDALL, both.of(rank.kendall), "correlation"),
                (PAIRS, both.of(rank.pair_agreement), "share"),
                (APART, both.of(lambda a, b: rank.pair_agreement(a, b, self.least)), "share"),
                (REGRET, both.of(rank.regret, corrected=False), "number"),
                *(
                    (_best_of(k), both.of(lambda a, b, k=k: rank.regret(a, b, k), corrected=False), "number")
                    for k in TOP
                ),
                (NOISE, _alone(ceiling), "correlation"),
                (CORRECTED, _alone(ours.estimate / ceiling if ceiling > 0 else math.nan), "correlation"),
                (COST, _alone(proxy.training / target.training), "share"),
                *((name, _alone(value), "correlation") for name, value in zip(HALVES, split, strict=True)),
            ):
                yield interval_of(name, keys, found, n, unit)
            if both is not pairs[0]:
                rival = next(iter(recipes.proxies))
                yield interval_of(GAIN, {**keys, "rival": rival}, both.beyond(pairs[0]), n, "correlation")
            if FEWEST <= len(self.shared) < len(target.table):
                rows = [of.table[self.shared] for of in (target, proxy)]
                alike = _Both(*(row.mean(1) for row in rows), *crossed_means(rows, together=recipes.together))
                yield interval_of(self.same, keys, alike.of(rank.spearman), n, "correlation")

    def sentence(self) -> str:
        first, ceiling = self.ranked.where(SPEARMAN)[0], self.ranked.where(NOISE)[0]
        more = "; the tables have the others" if len(self.recipes.proxies) > 1 else ""
        most = "" if ceiling.value is None else f"; noise between seeds allows {ceiling}"
        return (
            f"{first.keys['proxy']} and {self.name} rank {len(self.recipes.names)} recipes with a Spearman correlation "
            f"of {first} ({plural(first.n, 'seed')}{most}){more}"
        )

    def tables(self) -> Iterator[Table]:
        means, count = self.target.means, len(self.recipes.names)
        told = int(np.count_nonzero(np.abs(np.subtract.outer(means, means)) > self.least)) // 2
        columns: dict[str, Column] = {
            "Spearman": SPEARMAN,
            "more than the first proxy's": GAIN,
            NOISE: NOISE,
            CORRECTED: CORRECTED,
            "Kendall": KENDALL,
            f"pairs in order, of {count * (count - 1) // 2}": PAIRS,
            f"pairs in order, of the {told} told apart": APART,
            COST: COST,
            **{f"Spearman, {name}": name for name in HALVES if self.recipes.together},
            **({self.same: self.same} if self.ranked.one(self.same) else {}),
        }
        note = (
            "Intervals: 95 %, of 2,000 resamples of recipes and seeds at once (bias-corrected percentiles). The "
            "ceiling is what noise leaves to a ranking that is right: the root of the product of what target and "
            "proxy would correlate with themselves at other seeds (Spearman-Brown). Noise taken off: Spearman over "
            "the ceiling, above 1 where chance is shared."
        )
        if math.isfinite(self.repeat):
            note += (
                f" The target's ranking would correlate with its own at other seeds by {correlation(self.repeat)}; it "
                f"tells two recipes apart from {self.least:.2f} points (95 %, each pair a test of its own)."
            )
        yield self.ranked.table("How the proxies rank the recipes", ("proxy",), columns, note)
        blind = float(self.target.means.max() - self.target.means.mean())
        columns = {"its first": REGRET, **{f"best of its first {k}": _best_of(k) for k in TOP}}
        columns["any one at random"] = lambda row: f"{blind:.2f}"
        note = (
            "Against the recipe that is best for the target in the same runs, which is flattered by having been the "
            "best. Intervals are plain percentiles of the resamples."
        )
        title = "What a choice by the proxy loses, in points of the target's accuracy"
        yield self.ranked.table(title, ("proxy",), columns, note)
        recipes, judged = self.recipes, "" if self.metric == METRICS[0] else ", on val"
        each = [self.target.means, *(proxy.means for proxy in recipes.proxies.values())]
        ranks = [stats.rankdata(-values) for values in each]
        wrong = [self.target.wrong(place) for place in range(len(recipes.names))]
        heads = ["recipe", "target", *(f"{label}{judged}" for label in recipes.proxies), "images in common, at least"]
        heads += ["wrong labels trained on"] if any(wrong) else []
        rows = []
        for place in np.argsort(-self.target.means, kind="stable"):
            cells = [f"{percent(of[place])} ({by[place]:g})" for of, by in zip(each, ranks, strict=True)]
            shared = min((value for value in self.overlaps[place] if value is not None), default=None)
            last = [share(wrong[place])] if any(wrong) else []
            rows.append((recipes.names[place], *cells, share(shared), *last))
        note = (
            "Images in common: of those that target or proxy ever picked, the share that both did, the least of the "
            "proxies. Rules that score by a net of their entry's own kind pick others in each entry: the rule is the "
            "recipe then, not the images."
        )
        yield Table("The recipes: accuracy in percent (rank)", tuple(heads), tuple(rows), note)

    def charts(self) -> Iterator[Chart]:
        target = tuple(self.target.means.tolist())
        points = tuple(
            Series(label, tuple(proxy.means.tolist()), target, joined=False)
            for label, proxy in self.recipes.proxies.items()
        )
        x = f"{'accuracy' if self.metric == METRICS[0] else 'accuracy on val'} of the proxy, %"
        yield Chart("Recipes: target and proxies", x, "accuracy of the target, %", points)
        level = self.repeat if math.isfinite(self.repeat) else None
        words = "Spearman correlation with the target's ranking; the line is that of the target with itself at other"
        yield self.ranked.chart(f"{words} seeds", "proxy", {"Spearman": SPEARMAN}, y_label="correlation", level=level)

    def notes(self) -> tuple[str, ...]:
        recipes, said = self.recipes, []
        if recipes.lacking:
            said.append(f"Left out, for want of runs in every entry: {', '.join(recipes.lacking)}.")
        if len(recipes.names) < MANY:
            said.append(f"{plural(len(recipes.names), 'recipe')}: fewer than the {MANY} that this question needs.")
        if not recipes.tuned:
            said.append("The target's learning rates are not all tuned: the paper's target is.")
        if len(self.target.seeds) < 2:
            said.append("With one seed there is no ceiling, and no pair of recipes that the target tells apart.")
        if self.metric != METRICS[0]:
            said.append("Proxies are ranked by val, the target by test.")
        same = (
            "Target and proxies have the same seeds, and so the same split, pool and test images: what chance does to "
            "a recipe in both counts as agreement."
        )
        return tuple(filter(None, (" ".join(said), same if recipes.together else "")))


def _alone(value: float) -> Interval:
    return Interval(value, math.nan, math.nan, math.nan)


def _best_of(k: int) -> str:
    return f"points of the target's accuracy that the best of the proxy's first {k} recipes loses"
