"""Does a subset picked with one net serve another? A rule's picks by another net, beside those of the net itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from ..document.numbers import plural
from ..effects.costs import Accounts
from ..effects.estimate import Column, Estimate, Estimates, by_seed
from ..effects.pairing import accuracies, apart, common
from ..records.folder import Cell, Results
from .answer import Answer, StrategyName, Study, Summary, about, joined

TRANSFER = "accuracy with another net's picks less that with its own net's"
OTHER = "accuracy with another net's picks less random picks'"
OWN = "accuracy with its own net's picks less random picks'"
SHARED, COST = "share of picked images that both picked", "FLOPs of picking, of its own net's"
NOTES = (
    "Random picks are as many, at the same times. All differences are paired by seed: same first weights, order and "
    "views of the images. The net that picks is trained by the recipe of the net that learns.",
    "Interchangeable: the whole 95 % interval lies within the data set's margin.",
)


class Transfer(Study):
    """Accuracy of a net on what another net picked for it, against its own picks and against random ones.

    Parameters
    ----------
    pairs : table
        Label of the strategy whose proxy is another net -> label of the same rule picked by the net itself. The answer
        is about the first.
    """

    pairs: dict[StrategyName, StrategyName] = Field(
        min_length=1, description='a table of labels, such as { "el2n by resnet8" = "el2n" }'
    )

    @model_validator(mode="after")
    def _are_two(self) -> Self:
        if alone := next((other for other, own in self.pairs.items() if other == own), None):
            raise ValueError(f"pairs: {alone!r} is paired with itself: name the arm that the net itself picked for")
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """One part a data set; the sentence is about the first pair that has an interval."""
        parts = [self._on(results, name) for name in results.matrix.datasets]
        lacking = "no seed has a rule's picks by another net and by its own"
        return joined([part for part in parts if part], lacking)

    def _on(self, results: Results, dataset: str) -> Answer | None:
        found, of = Estimates(self._estimates(results, dataset)), results.matrix.datasets[dataset]
        told = next((e for e in found.where(TRANSFER) if e.low is not None), None)
        if not found:
            return None
        sentence = None
        if told:
            sentence = (
                f"trained on the picks of {told.keys['strategy']}, the net ends {told} points from training on its own "
                f"({told.keys['rival']}, {plural(told.n, 'seed')}): {_verdict(told, of.margin)}"
            )
        title = f"{of.title}: does a subset picked with one net serve another?"
        columns: dict[str, Column] = {
            "less its own net's picks": TRANSFER,
            "less random": OTHER,
            "its own less random": OWN,
            "both picked": SHARED,
            "FLOPs of picking": COST,
            "seeds": lambda row: row[0].n,
        }
        note = (
            "Accuracy in points. Both picked: of the images that either net picked, the share that both did. FLOPs of "
            f"picking: what the proxy spent, over what the net's own did. Margin in points: {of.margin:g}."
        )
        table = found.renamed(strategy="picked by another net", rival="by its own").table(
            title, ("picked by another net", "by its own"), columns, note
        )
        lines: dict[str, Column] = {"less its own net's picks": TRANSFER, "less random picks": OTHER}
        chart = found.chart(title, "strategy", lines, y_label="Difference (points)", level=0.0)
        return about(of.title, sentence, "no two seeds have both", found, [table], [chart], NOTES)

    def _estimates(self, results: Results, dataset: str) -> Iterator[Estimate]:
        """Of each pair that has a seed in common, by reference where the rule reads one."""
        arms = results.arms(dataset=dataset, role="strategy")
        for label, name in self.pairs.items():
            others = [arm for arm in arms if arm.label == label]
            for other in others:
                own = next((a for a in arms if (a.label, a.reference) == (name, other.reference)), None)
                if own is None or not (differences := apart(accuracies(results, other), accuracies(results, own))):
                    continue
                beside = f" ({other.reference})" if len(others) > 1 else ""
                keys = {"dataset": dataset, "strategy": label + beside, "rival": name + beside}
                yield by_seed(TRANSFER, keys, differences, "points")
                for quantity, arm in ((OTHER, other), (OWN, own)):
                    random = accuracies(results, results.matrix.arms.get(arm.twin))
                    yield by_seed(quantity, keys, apart(accuracies(results, arm), random), "points")
                both = common(results.of(other), results.of(own))
                yield by_seed(SHARED, keys, _each(both, _shared), "share")
                yield by_seed(COST, keys, _each(both, lambda a, b: _cost(Accounts(results), a, b)), "ratio")


def _verdict(found: Estimate, margin: float) -> str:
    if found.low is not None and found.high is not None and -margin < found.low and found.high < margin:
        return f"interchangeable within {margin:g} {'point' if margin == 1 else 'points'}"
    return {1: "better than its own", -1: "worse than its own", 0: "which serves better is open"}[found.side()]


def _each(pairs: Mapping[int, tuple[Cell, ...]], measure: Any) -> dict[int, float]:
    values = {seed: measure(*pair) for seed, pair in pairs.items()}
    return {seed: value for seed, value in values.items() if math.isfinite(value)}


def _shared(one: Cell, other: Cell) -> float:
    """Images that both picked, of those that either did; nan where records do not say, or of unlike images."""
    a, b = one.picks.probe, other.picks.probe
    if a is None or b is None or a.shape != b.shape or not (union := np.count_nonzero((a > 0) | (b > 0))):
        return math.nan
    return np.count_nonzero((a > 0) & (b > 0)) / union


def _cost(accounts: Accounts, one: Cell, other: Cell) -> float:
    ours, theirs = (accounts.artefacts(cell)[0] for cell in (one, other))
    return ours / theirs if theirs else math.nan
