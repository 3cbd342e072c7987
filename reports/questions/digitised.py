"""Accuracies of static pruning that others published, read off figures: the package's ``benchmarks/published``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from ..document.blocks import Chart, Series, Table
from ..effects.estimate import Estimate, points_of, tenths
from ..statistics.crossing import first_zero

RANDOM = "random"
"""The label of random subsets."""

Accuracy = float | Annotated[str, Field(pattern=r"^<\d+(\.\d+)?$")]
"""In percent; ``<40`` where it lies below the figure's axis."""


class Gap(NamedTuple):
    """A rule's published accuracy minus random's, in points, at a percentage kept.

    ``error`` is what reading both off a figure may be wrong by; ``bound`` says that the difference is at most this.
    """

    kept: float
    difference: float
    error: float
    bound: bool


class Source(BaseModel):
    """One figure that others published: accuracies by rule, in the order of ``kept``, with the recipe behind them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    paper: str
    place: str
    dataset: str
    learner: str
    budget: str
    recipe: str
    error: float = Field(ge=0)
    full: float | None = None
    kept: tuple[float, ...]
    accuracy: dict[str, tuple[Accuracy, ...]]
    exact: dict[str, tuple[float, ...]] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if any(len(values) != len(self.kept) for values in self.accuracy.values()):
            raise ValueError("each rule has one accuracy for each percentage kept")
        if any(isinstance(value, str) for value in self.accuracy.get(RANDOM, ("",))):
            raise ValueError("random's accuracies are numbers")
        if any(rule not in self.accuracy or set(kept) - set(self.kept) for rule, kept in self.exact.items()):
            raise ValueError("exact names rules, and percentages kept, that have an accuracy")
        return self

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(rule for rule in self.accuracy if rule != RANDOM)

    @property
    def title(self) -> str:
        made = f"{self.dataset}, {self.learner}, {self.budget}"
        return f"Published, {made}, read off a figure: accuracy minus a random subset's"

    def gaps(self, rule: str) -> tuple[Gap, ...]:
        """Accuracy minus random's at each percentage kept, ascending."""
        found = []
        for kept, ours, theirs in zip(self.kept, self.accuracy[rule], self.accuracy[RANDOM], strict=True):
            bound = isinstance(ours, str)
            read = [of for of in (RANDOM, *(() if bound else (rule,))) if kept not in self.exact.get(of, ())]
            difference = float(str(ours).removeprefix("<")) - float(theirs)
            found.append(Gap(kept, difference, len(read) * self.error, bound))
        return tuple(sorted(found))

    def crossing(self, rule: str) -> str:
        """Where random overtakes the rule, with the ends that errors of reading leave."""
        gaps = self.gaps(rule)
        levels = [gap.kept for gap in gaps]

        def place(error: float, bounded: float = 0.0) -> str:
            means = np.array([gap.difference + error * gap.error - bounded * gap.bound for gap in gaps])
            return level_words("below" if means[0] < 0 else "not below", first_zero(np.array(levels), means), levels)

        # A bound says only that the difference lies below it, perhaps far: 1e9 points is as far as can be.
        low, middle, high = place(1), place(0), place(-1, bounded=1e9)
        if low == high:
            return low
        ends = f"[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"
        return f"{middle} {ends}" if middle == place(0, bounded=1e9) else ends

    def table(self) -> Table:
        random = dict(zip(self.kept, self.accuracy[RANDOM], strict=True))
        rows = []
        for kept, *gaps in zip(sorted(random), *map(self.gaps, self.rules), strict=True):
            words = (f"{'below ' * gap.bound}{tenths(gap.difference)}" for gap in gaps)
            rows.append((f"{kept:g} %", f"{random[kept]:.1f}", *words))
        rows.reverse()
        rows.append(("random ahead below", "", *map(self.crossing, self.rules)))
        full = "" if self.full is None else f" Full training: {self.full:g} %."
        note = f"{self.paper}, {self.place}; each accuracy within {self.error:g} points. {self.recipe}.{full}"
        return Table(f"{self.title}, in points", ("kept", "random, %", *self.rules), tuple(rows), note)

    def chart(self, first: Mapping[str, str]) -> Chart:
        """The rules of ``first`` come first, in its order; a bound is not drawn."""
        series = []
        for rule in dict.fromkeys([*(rule for rule in first if rule in self.rules), *self.rules]):
            gaps = self.gaps(rule)
            ends = ((None,) * 3 if bound else (at, at - error, at + error) for _, at, error, bound in gaps)
            drawn = [Estimate(self.title, {}, *of) for of in ends]
            series.append(points_of(rule, drawn, [gap.kept for gap in gaps], joined=True))
        return gaps_chart(self.title, series)


@cache
def sources() -> dict[str, Source]:
    file = resources.files("selbench") / "benchmarks" / "published" / "static-pruning.toml"
    form = TypeAdapter(dict[Literal["sources"], tuple[Source, ...]])
    found = form.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    return {source.id: source for source in found["sources"]}


def gaps_chart(title: str, series: Iterable[Series]) -> Chart:
    return Chart(title, "kept, %", "points", tuple(series), log_x=True, level=0.0)


def level_words(side: str, at: float | None, levels: Sequence[float]) -> str:
    if at is not None:
        return f"{at:.0f} %"
    return f"over {levels[-1]:g} %" if side == "below" else f"under {levels[0]:g} %"
