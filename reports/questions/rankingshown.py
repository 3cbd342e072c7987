"""A ranking study's tables, charts and notes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, correlation, percent, plural, share
from ..statistics.samples import Interval
from .rankingmeasured import FEWEST, TOP, Measured
from .rankingrecipes import METRICS, overlap

SCOPE = "Transfer to multi-epoch vision, which the paper (arXiv 2512.24503) does not claim."
MANY = 20
"""Recipes that a study of this kind should have at the least."""


def with_ends(found: Interval | None, shown: Callable[[float | None], str]) -> str:
    """``.81 [.60, .90]``; without the bracket where there is no interval."""
    if found is None or not math.isfinite(found.estimate):
        return NONE
    ends = f" [{shown(found.low)}, {shown(found.high)}]" if math.isfinite(found.low) else ""
    return shown(found.estimate) + ends


def plain(value: float | None) -> str:
    """Points lost, without a sign: ``0.61``."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.2f}"


def tables(measured: Measured, metric: str) -> tuple[Table, ...]:
    """How each proxy ranks, what a choice by it loses, and every recipe."""
    return _rankings(measured), _choices(measured), _recipes(measured, metric)


def _rankings(measured: Measured) -> Table:
    count = len(measured.recipes.names)
    apart = any(ranked.same is not None for ranked in measured.ranked.values())
    rows = []
    for label, ranked in measured.ranked.items():
        cells = [
            with_ends(ranked.spearman, correlation),
            with_ends(ranked.gain, correlation),
            correlation(measured.ceiling(label)),
            correlation(measured.corrected(label)),
            with_ends(ranked.kendall, correlation),
            with_ends(ranked.pairs, share),
            with_ends(ranked.apart, share),
            share(ranked.cost),
            *([with_ends(ranked.same, correlation)] if apart else []),
        ]
        rows.append((label, *cells))
    return Table(
        title="How the proxies rank the recipes",
        columns=(
            "proxy",
            "Spearman",
            "more than the first proxy's",
            "ceiling",
            "noise taken off",
            "Kendall",
            f"pairs in order, of {count * (count - 1) // 2}",
            f"pairs in order, of the {measured.told} told apart",
            "training FLOPs of a run, of the target's",
            *([f"Spearman, the {len(measured.shared)} recipes of the same images"] if apart else []),
        ),
        rows=tuple(rows),
        note="The ceiling is what noise leaves to a ranking that is right: the root of the product of what target and "
        "proxy would correlate with themselves at other seeds. The Spearman correlation divided by it is the one with "
        "noise taken off; it passes 1 where chance is shared, and is rough where the ceiling is low.",
    )


def _choices(measured: Measured) -> Table:
    target = measured.recipes.target.means
    blind = float(target.max() - target.mean())
    rows = [
        (label, *(with_ends(ranked.regrets[k], plain) for k in TOP), plain(blind))
        for label, ranked in measured.ranked.items()
    ]
    return Table(
        title="What a choice by the proxy loses, in points of the target's accuracy",
        columns=("proxy", "its first", *(f"best of its first {k}" for k in TOP[1:]), "any one at random"),
        rows=tuple(rows),
        note="Against the recipe that is best for the target in the same runs, which is flattered by having been the "
        "best. Intervals are plain percentiles of the resamples.",
    )


def _recipes(measured: Measured, metric: str) -> Table:
    recipes = measured.recipes
    means = [recipes.target.means, *(proxy.means for proxy in recipes.proxies.values())]
    ranks = [stats.rankdata(-values) for values in means]
    wrong = [recipes.target.wrong(place) for place in range(len(recipes.names))]
    noisy = any(value for value in wrong)
    rows = []
    for place in np.argsort(-recipes.target.means, kind="stable"):
        cells = [f"{percent(of[place])} ({rank[place]:g})" for of, rank in zip(means, ranks, strict=True)]
        shares = [overlap(recipes.target, proxy, place) for proxy in recipes.proxies.values()]
        known = [value for value in shares if value is not None]
        cells += [share(min(known)) if known else NONE]
        rows.append((recipes.names[place], *cells, *([share(wrong[place])] if noisy else [])))
    return Table(
        title="The recipes: accuracy in percent (rank)",
        columns=(
            "recipe",
            "target",
            *(label if metric == METRICS[0] else f"{label}, on val" for label in recipes.proxies),
            "images in common, at least",
            *(["wrong labels trained on"] if noisy else []),
        ),
        rows=tuple(rows),
        note="Images in common: of those that target or proxy ever picked, the share that both did, the least of the "
        "proxies. Rules that score by a net of their entry's own kind pick others in each entry: the rule is the "
        "recipe then, not the images.",
    )


def charts(measured: Measured, metric: str) -> tuple[Chart, ...]:
    """Every recipe, and the correlations."""
    recipes = measured.recipes
    points = tuple(
        Series(label, tuple(map(float, proxy.means)), tuple(map(float, recipes.target.means)), joined=False)
        for label, proxy in recipes.proxies.items()
    )
    found = [ranked.spearman for ranked in measured.ranked.values()]
    level = Series(
        "Spearman",
        tuple(map(float, range(len(found)))),
        tuple(_known(one.estimate) for one in found),
        tuple(_known(one.low) for one in found),
        tuple(_known(one.high) for one in found),
        joined=False,
    )
    return (
        Chart("Recipes: target and proxies", f"{_word(metric)} of the proxy, %", "accuracy of the target, %", points),
        Chart(
            "Spearman correlation with the target's ranking; the line is that of the target with itself at other seeds",
            "proxy",
            "correlation",
            (level,),
            ticks=tuple(measured.ranked),
            level=_known(measured.repeat),
        ),
    )


def notes(measured: Measured, metric: str) -> tuple[str, ...]:
    """What a reader of the answer must know."""
    recipes, found = measured.recipes, [SCOPE]
    if len(recipes.names) < MANY:
        found.append(f"{plural(len(recipes.names), 'recipe')}: fewer than the {MANY} that this question needs.")
    if not recipes.tuned:
        found.append("The target's learning rates are not all tuned: the paper's target is.")
    if recipes.lacking:
        found.append(f"Left out, for want of runs in every entry: {', '.join(recipes.lacking)}.")
    found.append(
        "Intervals: 95 %, of 2,000 resamples of recipes and seeds at once (bias-corrected percentiles). They speak of "
        "other recipes of this kind, and of rankings by as many seeds."
    )
    if math.isfinite(measured.repeat):
        found.append(
            f"The target's ranking would correlate with its own at as many other seeds by "
            f"{correlation(measured.repeat)}: the mean over splits of its seeds into halves, stepped up to all of them "
            "by the Spearman-Brown formula, which is exact for scores and near enough for ranks. It tells two recipes "
            f"apart from {plain(measured.least)} points (95 %, noise pooled over recipes, each pair a test of its own)."
        )
    else:
        found.append("With one seed there is no noise ceiling, and no pair of recipes that the target tells apart.")
    if recipes.together:
        found.append(
            "Target and proxies have the same seeds, and so the same split, pool and test images: what chance does to "
            "a recipe in both counts as agreement." + _sharing(measured)
        )
    if metric != METRICS[0]:
        found.append("Proxies are ranked by val, the target by test.")
    return tuple(found)


def _sharing(measured: Measured) -> str:
    pairs = [(label, ranked.halves) for label, ranked in measured.ranked.items() if math.isfinite(ranked.halves.same)]
    if not pairs:
        return ""
    said = [f"{correlation(both.same)} and {correlation(both.other)} ({label})" for label, both in pairs]
    return f" Spearman with half of the seeds, the same ones for both and unlike ones: {', '.join(said)}."


def lacking(recipes: int) -> str:
    """Why there is no answer."""
    return (
        f"No answer yet: {plural(recipes, 'recipe')} with runs for the target and every proxy, and a ranking needs "
        f"{FEWEST} at least."
    )


def _word(metric: str) -> str:
    return metric if metric == METRICS[0] else "accuracy on val"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
