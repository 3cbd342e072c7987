"""Does the schedule matter? Shapes of the keep ratio against a fixed one: means, spreads, amounts and growth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..document.blocks import Chart, Table
from ..document.numbers import NONE, p_value, plural
from ..effects.estimate import Column, Estimate, Estimates, points_of
from ..effects.pairing import apart
from ..records.folder import Arm, Results
from ..statistics import equivalence_test
from .answer import Answer, DatasetName, Several, StrategyName, Study, Summary, remarks
from .schedules_paired import MEAN, SPREAD, Runs, adjusted, at_own_amount, compare, mean, per_doubling, power, with_all

FEWEST = 40
"""Seeds below which spreads are not compared: with 40, an SD of two thirds is seen in two cases of three or more."""
RANDOM = " of random picks"
"""After both: between the uniform twins."""
ANOTHER = "another amount"
"""Stands where two schedules are not compared, since they trained on unlike amounts."""
PICKS, OWN = f"{MEAN} due to the picks", f"{MEAN} at its own amount"
DOUBLING, GROWTH = f"{MEAN} per doubling of the amount", f"{MEAN} due to growing sub-batches"
AXIS = "difference in accuracy, points"

Entries = Annotated[Several[DatasetName], Field(min_length=2, max_length=2)]
Values = Annotated[dict[StrategyName, float], Field(min_length=2)]


class Steadiness(Study):
    """One rule under several schedules of its keep ratio, each against a fixed one, paired by seed.

    Told are the differences of accuracy (the rule's, and those of the uniform twins: what the shape does to random
    picks), the ratios of the SDs over seeds (Pitman and Morgan 1939), what doubling the images trained on brings under
    fixed schedules, and each difference where the sub-batch grows with the ratio less that where it has one size.
    p-values are two-sided; those of means, and those of spreads, are adjusted by Holm over the schedules of one data
    set, or over one parameter's values.

    Parameters
    ----------
    baseline : str
        Label of the strategy under the fixed schedule.
    schedules : tuple of str
        Labels of the same rule under other schedules; the answer is about the first.
    fewest : int
        Seeds below which spreads are not compared.
    amounts : tuple of str
        Labels of the rule under fixed schedules that keep more or less than the baseline: what the amount does.
    growth : tuple of (dataset, dataset)
        Entries of one data set: in the first the sub-batch grows with the ratio, in the second it has one size.
    swept : str
        Label that the sweep moves away from; the baseline by default.
    sweep : mapping of parameter to mapping of label to value
    """

    baseline: StrategyName = Field(description="the strategy under the fixed schedule")
    schedules: Several[StrategyName] = Field(description="a list of names: the strategies to compare with the baseline")
    fewest: int = Field(FEWEST, ge=3, description=f"a number of seeds, 3 or more, such as {FEWEST}")
    amounts: Several[StrategyName] = ()
    growth: tuple[Entries, ...] = Field((), strict=False, description="a list of pairs of unlike data sets")
    swept: StrategyName | None = None
    sweep: dict[str, Values] = Field(
        {}, description="each parameter two labels or more with their values, as in { steep = 20 }; each is a number"
    )

    @model_validator(mode="after")
    def _has_others(self) -> Self:
        if not self.schedules or self.baseline in self.schedules:
            raise ValueError("schedules must name one strategy or more, none of them the baseline")
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The first schedule's mean on the first data set that has the baseline and a schedule."""
        parts = [
            part
            for dataset in results.matrix.datasets
            for arm in results.arms(dataset=dataset, role="strategy")
            if arm.label == self.baseline and (part := _Part(self, results, arm)).pairs
        ]
        if not parts:
            lacking = f"no seed has {self.baseline} beside one of {', '.join(self.schedules)}"
            return Answer(f"No answer yet: {lacking}.", enough=False)
        for part in parts:
            if sum(other.dataset is part.dataset for other in parts) > 1:
                part.title += f", {part.reference}"
        named = {(part.dataset.name, part.reference): part for part in parts}
        pairs = [(part, named.get((even, part.reference)), growing) for growing, even in self.growth for part in parts]
        grown = [(part, part.grown(even)) for part, even, growing in pairs if even and part.dataset.name == growing]
        first = {part.dataset.name: part for part in reversed(parts)}.values()
        claimed = [e for part in first for e in part.claimed()]
        claimed += [e for part, changes in grown if part in first for e in changes]
        told = next((part for part in parts if part.seeds > 1), None)
        return Answer(
            sentence=(told or parts[0]).sentence(),
            enough=told is not None,
            quantities=Estimates(claimed).quantities(known=False),
            tables=(
                *(table for part in parts for table in part.tables()),
                *(part.growth_table(changes) for part, changes in grown if changes),
            ),
            charts=tuple(chart for part in parts for chart in part.charts()),
            notes=tuple(note for part in parts for note in remarks(part.title, part.said())),
        )


class _Part:
    """The schedules on one data set, with one reference: that of ``baseline``."""

    def __init__(self, asked: Steadiness, results: Results, baseline: Arm) -> None:
        self.asked, self.reference = asked, baseline.reference
        self.dataset = results.matrix.datasets[baseline.dataset]
        self.title, self.centre = self.dataset.title, asked.swept or asked.baseline
        self.alpha, self.kind = results.matrix.alpha, results.matrix.interval
        arms = results.arms(dataset=baseline.dataset, role="strategy")
        arms = tuple(arm for arm in arms if arm.reference == baseline.reference)
        self.runs = {arm.label: Runs.of(results, arm) for arm in arms}
        self.base = self.runs[asked.baseline]
        twins = {arm.label: Runs.of(results, arm.twin) for arm in arms}
        rule = self._family("", asked.baseline, asked.schedules, self.runs)
        random = self._family(RANDOM, asked.baseline, asked.schedules, twins)
        self.both = Estimates([*rule, *random])
        self.pairs, self.random = rule.where(MEAN), random.where(f"{MEAN}{RANDOM}")
        self.seeds = max((pair.n for pair in self.pairs), default=0)
        # How much more the shape does to the rule's picks than to random ones.
        self.due = Estimates(mean(PICKS, e.keys, _less(e, self.random), self.kind) for e in self.pairs)
        # The rule under fixed schedules, and full training, which is the rule that keeps everything.
        full = results.ladder(self.dataset.name, "full")
        fixed = [self.runs[label] for label in (asked.baseline, *asked.amounts) if label in self.runs]
        self.knots = [of for of in (*fixed, *(Runs.of(results, arm) for arm in full[-1:])) if of.points]
        doubled = per_doubling(self.knots) if len(self.knots) > 1 else {}
        self.amount = mean(DOUBLING, {"dataset": self.dataset.name}, doubled, self.kind)
        self.beside = Estimates()
        for e in self.pairs if len(self.knots) > 1 else ():
            if not e.record["matched"]:
                found = mean(OWN, e.keys, at_own_amount(e.record["ours"], self.knots), self.kind)
                out = len(with_all([e.record["ours"], *self.knots])) - found.n
                self.beside.append(found.noted(out=out))
        self.sweeps: dict[str, Estimates] = {}
        for name, values in asked.sweep.items():
            moved = [label for label in sorted(values, key=values.__getitem__) if label != self.centre]
            if pairs := self._family(f" over {name}", self.centre, moved, self.runs):
                shown = (replace(e, keys={**e.keys, "value": f"{values[e.keys['strategy']]:g}"}) for e in pairs)
                self.sweeps[name] = Estimates(shown)

    def _family(self, suffix: str, rival: str, labels: Iterable[str], side: Mapping[str, Runs]) -> Estimates:
        """Mean and spread of each of ``labels`` against ``rival``, adjusted as one family, means and spreads apart."""
        keys = {"dataset": self.dataset.name, "rival": rival}
        compared = [
            compare(suffix, {**keys, "strategy": label, "schedule": label}, side[label], side[rival], self.kind)
            for label in labels
            if label in side and rival in side
        ]
        means, spreads = (adjusted([pair[place] for pair in compared if pair[0].n]) for place in (0, 1))
        return Estimates(e for pair in zip(means, spreads, strict=True) for e in pair)

    def grown(self, even: _Part) -> Estimates:
        """What growing sub-batches, here, do to each difference beside sub-batches of one size, in ``even``.

        Of schedules that train on as many images as the baseline in both.
        """
        found = Estimates()
        for pair in self.pairs:
            other = even.pairs.one(schedule=pair.keys["schedule"])
            if other and pair.record["matched"] and other.record["matched"]:
                random = self.random.one(schedule=pair.keys["schedule"])
                change = mean(GROWTH, pair.keys, _less(pair, even.pairs), self.kind)
                alike = mean("", pair.keys, _less(random, even.random) if random else {}, self.kind)
                found.append(change.noted(growing=pair, even=other, random=alike))
        return found

    def claimed(self) -> Iterator[Estimate]:
        """What claims may read; spreads have no value below the fewest seeds, since they would have no power."""
        yield self.amount
        for e in self.both:
            powered = e.quantity.startswith(MEAN) or e.n >= self.asked.fewest
            yield e if powered else replace(e, value=None, low=None, high=None)
        yield from (*self.due, *self.beside)
        yield from (e for name, found in self.sweeps.items() for e in found.where(f"{MEAN} over {name}"))

    def told(self, pair: Estimate) -> str:
        if not pair.record["matched"]:
            return ANOTHER
        if pair.record["adjusted"] is None or pair.value is None:
            return NONE
        if pair.record["adjusted"] < self.alpha:
            return "better" if pair.value > 0 else "worse"
        margin, values = self.dataset.margin, list(pair.record["by_seed"].values())
        within = len(values) > 1 and equivalence_test(values, margin) < self.alpha
        return f"within the margin of {margin:g}" if within else "not told apart"

    def _steady(self, row: Estimates) -> str:
        spread = row[1]
        if row[0].n < self.asked.fewest:
            return "not powered"
        if not row[0].record["matched"]:
            return ANOTHER
        if spread.value is None:
            return "no spread to compare"
        if spread.record["adjusted"] >= self.alpha:
            return "not told apart"
        return "steadier" if spread.value < 1 else "less steady"

    def sentence(self) -> str:
        pair = self.pairs[0]
        label, amount = pair.keys["schedule"], pair.record["amount"] or 0
        trained = "as many" if pair.record["matched"] else f"{amount:.2f} times as many"
        verdict = self.told(pair) if pair.low is not None else "one seed, no interval"
        return (
            f"{self.title}: changing {self.asked.baseline} to {label} changes accuracy by {pair} points, "
            f"trained on {trained} images ({plural(pair.n, 'seed')}): {verdict}; the tables have all schedules."
        )

    def tables(self) -> Iterator[Table]:
        baseline = self.asked.baseline
        less = f"less {baseline}"
        there = {pair.keys["schedule"] for pair in self.pairs}
        both = Estimates(e for e in self.both if e.keys["schedule"] in there)
        worth = f" Under fixed schedules twice the images are worth {self.amount} points." if self.amount.n > 1 else ""
        table = Estimates([*both, *self.due]).table(
            f"{self.title}: schedules against {baseline}",
            ("schedule",),
            {**self._columns(less), "random picks alike": f"{MEAN}{RANDOM}", "due to the picks": PICKS},
            "Differences in points, paired by seed, with 95 % intervals. Images trained: as a multiple of "
            f"{baseline}'s. Random picks alike: the same difference between the schedules' uniform twins. Due to the "
            "picks: the one less the other. Told, of schedules that train on as many images: better or worse by Holm "
            f"over the schedules; else within the margin where both one-sided tests say so.{worth}",
        )
        first = (baseline, str(len(self.base.points)), self.base.kept, "1", self.base.accuracy, *(NONE,) * 5)
        yield replace(table, rows=(first, *table.rows))
        yield both.table(
            f"{self.title}: steadiness over seeds",
            ("schedule",),
            {
                "seeds": lambda row: row[0].n,
                "SD, points": partial(_sd, 0),
                f"SD of {baseline}": partial(_sd, 1),
                "ratio": SPREAD,
                "p (Holm)": lambda row: p_value(row[1].record["adjusted"]),
                "told": self._steady,
                "ratio of random picks": f"{SPREAD}{RANDOM}",
            },
            "Ratio of SDs of test accuracy with its 95 % interval, paired by seed (Pitman and Morgan). Below 1 is "
            f"steadier. The test assumes normal runs, and is not powered below {self.asked.fewest} seeds."
            f"{power(self.pairs, self.alpha / 2)}",
        )
        if self.beside:
            unlike = [e for e in self.pairs if self.beside.where(schedule=e.keys["schedule"])]
            yield Estimates([*unlike, *self.beside]).table(
                f"{self.title}: shape against amount",
                ("schedule",),
                {
                    "images trained": _amount,
                    less: MEAN,
                    "less a fixed one of its amount": OWN,
                    "seeds": lambda row: row.where(OWN)[0].n,
                    "seeds left out": lambda row: row.where(OWN)[0].record["out"],
                },
                "A fixed schedule of as many images is read, seed by seed, between those that were run and full "
                "training, over the logarithm of the images trained on. Left out: seeds that trained on more or fewer "
                "than all of these.",
            )
        for parameter, pairs in self.sweeps.items():
            value = self.asked.sweep[parameter].get(self.centre)
            known = "" if value is None else f" ({parameter} {value:g})"
            yield pairs.renamed(value=parameter).table(
                f"{self.title}: {parameter} of {self.centre}",
                (parameter,),
                {
                    **self._columns(f"less {self.centre}"),
                    "ratio of SDs": lambda row: row[1],
                    "steadiness": self._steady,
                },
                f"Against {self.centre}{known}, in points, paired by seed, with 95 % intervals.",
            )

    def _columns(self, less: str) -> dict[str, Column]:
        """What every table of means begins with; a row begins with mean and spread."""
        return {
            "seeds": lambda row: row[0].n,
            "kept": lambda row: row[0].record["ours"].kept,
            "images trained": _amount,
            "accuracy, %": lambda row: row[0].record["ours"].accuracy,
            less: lambda row: row[0],
            "p (Holm)": lambda row: p_value(row[0].record["adjusted"]),
            "told": lambda row: self.told(row[0]),
        }

    def growth_table(self, grown: Estimates) -> Table:
        return grown.table(
            f"{self.title}: shape against growth of the sub-batch",
            ("schedule",),
            {
                "seeds": lambda row: row[0].n,
                "sub-batch grows": lambda row: row[0].record["growing"],
                "of one size": lambda row: row[0].record["even"],
                "change": GROWTH,
                "p": lambda row: p_value(row[0].record["p"]),
                "change of random picks": lambda row: row[0].record["random"],
            },
            f"Differences to {self.asked.baseline} in points where the sub-batch grows with the ratio and where it has "
            "one size, and the difference of the two, paired by seed, with 95 % intervals; p is of each change alone.",
        )

    def charts(self) -> Iterator[Chart]:
        sides = ("picks of the rule", ""), ("random picks", RANDOM)
        means: dict[str, Column] = {words: f"{MEAN}{suffix}" for words, suffix in sides}
        yield self.both.chart(
            f"{self.title}: against {self.asked.baseline}", "schedule", means, y_label=AXIS, level=0.0
        )
        if self.seeds >= self.asked.fewest:
            ratios: dict[str, Column] = {words: f"{SPREAD}{suffix}" for words, suffix in sides}
            label = f"SD over seeds, that of {self.asked.baseline} = 1"
            yield self.both.chart(f"{self.title}: steadiness", "schedule", ratios, y_label=label, log_y=True, level=1.0)
        for parameter, pairs in self.sweeps.items():
            values = self.asked.sweep[parameter]
            ends = {values[e.keys["strategy"]]: e for e in pairs.where(f"{MEAN} over {parameter}")}
            if self.centre in values:
                ends[values[self.centre]] = Estimate(MEAN, {}, 0.0, 0.0, 0.0)
            x = sorted(ends)
            line = points_of(f"less {self.centre}", [ends[value] for value in x], x, joined=True)
            yield Chart(f"{self.title}: {parameter}", parameter, AXIS, (line,), level=0.0)

    def said(self) -> Iterator[str]:
        if absent := [label for label in self.asked.schedules if not self.pairs.where(schedule=label)]:
            yield f"no pair of finished runs for {', '.join(absent)}"
        shown = [self.runs[label] for label in (self.asked.baseline, *self.asked.schedules) if label in self.runs]
        if fallen := sum(value < 100.0 * self.dataset.collapse for of in shown for value in of.points.values()):
            yield f"{plural(fallen, 'run')} collapsed; they are in every mean and every spread"


def _less(pair: Estimate, others: Estimates) -> dict[int, float]:
    """A difference less that of the same schedule among others, by seed."""
    other = others.one(schedule=pair.keys["schedule"])
    return apart(pair.record["by_seed"], other.record["by_seed"] if other else {})


def _sd(side: int, row: Estimates) -> str:
    sds = row[0].record["sds"]
    return f"{sds[side]:.2f}" if sds else NONE


def _amount(row: Estimates) -> str:
    """Images trained as a multiple of the other's: ``1`` where they are matched."""
    amount = row[0].record["amount"]
    return "1" if row[0].record["matched"] else NONE if amount is None else f"{amount:.2f}"
