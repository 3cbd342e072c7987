"""Can small runs be trusted? The ranking of recipes by small nets against that by a larger, tuned one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..document.numbers import correlation, plural
from ..effects.estimate import Quantity
from ..records.folder import Results
from ..statistics.samples import Interval
from .answer import Answer, Names, Summary
from .options import among, only
from .rankingmeasured import FEWEST, Measured, measure
from .rankingrecipes import METRICS, gather
from .rankingshown import SCOPE, charts, lacking, notes, plain, tables, with_ends

SPEARMAN = "Spearman correlation of the proxy's ranking with the target's"
KENDALL = "Kendall correlation of the proxy's ranking with the target's"
PAIRS = "share of pairs of recipes that the proxy puts in the target's order"
APART = "share of pairs told apart by the target that the proxy puts in its order"
REGRET = "points of the target's accuracy that the proxy's first recipe loses"
GAIN = "Spearman correlation with the target's ranking, less that of the first proxy"
CEILING = "Spearman correlation of the target's ranking with its own at other seeds"

_KEYS = ("target", "proxies", "recipes", "metric")


class Ranking:
    """Ranks the same recipes by small nets and by the target.

    Parameters
    ----------
    options : mapping
        ``target``, the name of an entry of ``[[datasets]]``; ``proxies``, a table of what each proxy is called and
        the name of its entry, that at the standard rate first; ``recipes``, labels, all strategies and both baselines
        unless said; ``metric``, what the proxies are ranked by: ``accuracy`` (on test) or ``val accuracy``.
    names : Names

    Raises
    ------
    ValueError
        For options that are unknown, missing, or not in the matrix.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, _KEYS, _MEND)
        proxies = options["proxies"]
        if not isinstance(proxies, Mapping) or not proxies:
            raise ValueError(f"options.proxies = {proxies!r} names no proxy: {_MEND['proxies']}")
        for entry in (options["target"], *proxies.values()):
            among("data set", entry, names.datasets)
        if options["target"] in proxies.values() or len(set(proxies.values())) < len(proxies):
            raise ValueError("options: target and proxies are entries of their own: name each of them once")
        recipes = options.get("recipes", ())
        if not isinstance(recipes, list | tuple):
            raise ValueError(f'options.recipes = {recipes!r} is no list of labels: write recipes = ["random-05", ...]')
        for label in recipes:
            among("recipe", label, (*names.strategies, "full", "uniform"))
        self.metric: str = among("metric", options.get("metric", METRICS[0]), METRICS)
        self.target: str = options["target"]
        self.proxies: dict[str, str] = dict(proxies)
        self.recipes: tuple[str, ...] = tuple(recipes)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """Correlations, pairs and regrets; what is lacking where there are too few recipes."""
        recipes = gather(results, self.target, self.proxies, self.recipes, self.metric)
        if recipes is None or len(recipes.names) < FEWEST:
            return Answer(lacking(0 if recipes is None else len(recipes.names)), enough=False, notes=(SCOPE,))
        measured = measure(recipes)
        return Answer(
            sentence=_sentence(measured),
            enough=len(recipes.target.seeds) > 1,
            quantities=self._quantities(measured),
            tables=tables(measured, self.metric),
            charts=charts(measured, self.metric),
            notes=notes(measured, self.metric),
        )

    def _quantities(self, measured: Measured) -> tuple[Quantity, ...]:
        first = next(iter(measured.ranked))
        rival = _target(measured)
        repeat = Interval(measured.repeat, math.nan, math.nan, math.nan)
        found = [self._quantity(measured, CEILING, repeat, rival, "")]
        for label, ranked in measured.ranked.items():
            rows = {
                SPEARMAN: ranked.spearman,
                KENDALL: ranked.kendall,
                PAIRS: ranked.pairs,
                APART: ranked.apart,
                REGRET: ranked.regrets[1],
            }
            found += [self._quantity(measured, name, value, label, rival) for name, value in rows.items()]
            if ranked.gain is not None:
                found.append(self._quantity(measured, GAIN, ranked.gain, label, first))
        return tuple(found)

    def _quantity(self, measured: Measured, name: str, value: Interval, strategy: str, rival: str) -> Quantity:
        estimate, low, high = (number if math.isfinite(number) else None for number in value[:3])
        n = len(measured.recipes.target.seeds)
        return Quantity(name, self.target, estimate, low, high, n, strategy=strategy, rival=rival)


def _target(measured: Measured) -> str:
    """What the target is called, by claims too."""
    return "tuned target" if measured.recipes.tuned else "target"


def _sentence(measured: Measured) -> str:
    recipes, said = measured.recipes, list[str]()
    for label, ranked in measured.ranked.items():
        does = "does so" if said else f"ranks {len(recipes.names)} recipes as the {_target(measured)} does"
        said.append(
            f"the {label} {does} with Spearman {with_ends(ranked.spearman, correlation)} (ceiling "
            f"{correlation(measured.ceiling(label))}), and its first recipe loses "
            f"{with_ends(ranked.regrets[1], plain)} points"
        )
    text = "; ".join(said)
    seeds = plural(len(recipes.target.seeds), "seed")
    once = "" if len(recipes.target.seeds) > 1 else " One seed: no ceiling, and intervals over recipes alone."
    return f"{text[0].upper()}{text[1:]} ({seeds}).{once} {SCOPE}"


_MEND = {
    "target": 'name the entry of [[datasets]] that the others are to stand for, such as target = "cifar10"',
    "proxies": 'write a table of names and entries, such as proxies = { "proxy at the standard rate" = "proxy" }',
}
