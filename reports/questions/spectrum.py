"""Does pruning leave the exponent of the spectral tail as it is?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from ..document.blocks import Chart, Table
from ..document.numbers import NONE, plural, share
from ..effects.estimate import Estimate, Estimates, listed
from ..records.folder import Dataset, Results
from ..records.measured import Spectrum as Taken
from ..records.measured import Tail
from ..statistics import t_test
from .answer import Answer, Fraction, Study, Summary
from .measuredarms import FEWEST, Measured, answered, ratio_of, references, shown

QUANTITY = "tail exponent of the feature covariance as a multiple of the baseline's"
"""The baseline is random selection of equal size: the quantity's rival is ``twin``."""
LEVEL_QUANTITY = "level of the spectral tail as a multiple of the baseline's"
WEIGHTED = ", weights counted"
ALPHA = 0.05
INSIDE = ("equivalent", "shifted, within the margin")

NOTES = (
    "A random selection has the same weights on other images: a fitted slope depends on how many images it is of.",
    "A rule that draws its subset with bounded chances is judged by the subset that it drew.",
)


class Spectrum(Study):
    """Exponent of the tail of what is selected, over the mean of random selections of equal size in the same cell.

    Seeds give one log ratio each; their mean has a 95 % t interval, and is equivalent where two one-sided t tests at
    5 % put it inside the margin. Hard selection (which images, how often) and soft selection (by the sum of their
    weights) are apart, and so are rules that cut the pool once from those that pick again. Each rule is judged by
    itself: nothing is pooled over rules, whose shifts may be opposed.

    Parameters
    ----------
    margin : float
        m in (0, 1), for ratios of 1 - m to 1 + m.
    """

    margin: Fraction = Field(0.1, description="a share between 0 and 1, such as 0.1 for ratios of 0.9 to 1.1")

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The largest shift by a rule that cuts the pool once; every rule in the table."""
        return answered(
            results,
            lambda measures: measures.spectrum,
            lambda dataset, arms: self._part(dataset, [*arms.values()]),
            "No answer yet: no run says the spectrum of what it selected.",
        )

    def _part(self, dataset: Dataset, arms: Sequence[Measured[Taken]]) -> Answer:
        out: list[str] = []
        found = Estimates(e for arm in arms for e in self._estimates(arm, out))
        told = [e for e in found if e.keys["judged"] and e.value is not None and e.quantity.startswith(QUANTITY)]
        return Answer(
            sentence=f"{dataset.title}: {self._sentence(found, told)}.",
            enough=bool(told),
            quantities=Estimates(e for e in found if not e.keys["random"]).quantities(),
            tables=(self._table(dataset, found, arms, out),),
            charts=tuple(_charts(dataset, found)),
            notes=NOTES,
        )

    def _estimates(self, arm: Measured[Taken], out: list[str]) -> Iterator[Estimate]:
        """Shift and level of an arm, picks counted and, where there are any, weights; ``out`` gets what is left out."""
        for more in ("", WEIGHTED):
            tails = {seed: taken.soft if more else taken.hard for seed, taken in arm.values.items()}
            there = {seed: tail for seed, tail in tails.items() if tail is not None}
            if not there:
                continue
            known = {seed: tail for seed, tail in there.items() if _positive(tail)}
            out += [
                f"{arm.name}, seed {seed}: {tail.lacking or 'an exponent is not above 0'}"
                for seed, tail in there.items()
                if seed not in known
            ]
            shifts = {seed: math.log(of.exponent / of.random_exponents.mean()) for seed, of in known.items()}
            levels = {seed: of.level - float(of.random_levels.mean()) for seed, of in known.items()}
            keys = arm.keys | {
                "random": "random" if arm.random else "",
                "judged": "judged" if arm.arm.cadence == "run" and not arm.random else "",
                "Counted": "weights" if more else "picks",
                "Images": f"{np.mean([tail.size for tail in there.values()]):,.0f}",
            }
            shift = ratio_of(QUANTITY + more, keys, shifts)
            chance = NONE if shift.value is None else share(float(np.mean([_spread(tail) for tail in known.values()])))
            yield replace(shift, record={"verdict": self._verdict(shift), "chance": chance})
            yield ratio_of(LEVEL_QUANTITY + more, keys, levels)

    def _verdict(self, shift: Estimate) -> str:
        if shift.value is None or shift.low is None or shift.high is None:
            return "no verdict yet"
        shifts, low, high = np.array([*shift.record.values()]), 1 - self.margin, 1 + self.margin
        if max(t_test(shifts, math.log(low)), t_test(-shifts, -math.log(high))) < ALPHA:
            return INSIDE[0] if shift.low <= 1 <= shift.high else INSIDE[1]
        return "outside the margin" if shift.high < low or shift.low > high else "not settled"

    def _sentence(self, found: Estimates, told: Sequence[Estimate]) -> str:
        if not told:
            static = any(e.keys["judged"] for e in found)
            why = (
                f"it takes {FEWEST} seeds of a rule that cuts the pool once" if static else "no rule cuts the pool once"
            )
            return f"no answer yet, since {why}"
        rules = [e for e in told if e.keys["Counted"] == "picks"] or told
        most = max(rules, key=lambda e: abs(math.log(e.value or 1.0)))
        inside = sum(e.record["verdict"] in INSIDE for e in rules)
        return (
            f"of {plural(len(rules), 'static rule')}, {most.keys['Rule']} moves the tail exponent most, to {most:full} "
            f"times random selection's ({plural(most.n, 'seed')}); {inside} stay within {self._margins()}"
        )

    def _margins(self) -> str:
        return f"{1 - self.margin:.3g} to {1 + self.margin:.3g}"

    def _table(self, dataset: Dataset, found: Estimates, arms: Sequence[Measured[Taken]], out: Sequence[str]) -> Table:
        windows = sorted({(taken.first, taken.last) for arm in arms for taken in arm.values.values()})
        note = (
            f"Covariance of the features of {references(arms)}, ranks {listed(f'{a} to {b}' for a, b in windows)}. "
            f"Equivalent: inside {self._margins()} by two one-sided t tests at 5 % over seeds. The spread is that of a "
            "single random selection about its mean. The level is the eigenvalues' geometric mean in the window."
        )
        if out:
            note += f" Left out: {'; '.join(out[:3])}{' ...' if out[3:] else ''}."
        plain = Estimates(replace(e, quantity=e.quantity.removesuffix(WEIGHTED)) for e in found)
        return plain.renamed(Rule="Arm").table(
            f"{dataset.title}: tail exponent of what was selected, over that of random selections",
            ("Arm", "Picks", "Counted", "Images"),
            {
                "Exponent, times random's [95 %]": shown(QUANTITY),
                "Spread of one draw": lambda row: row[0].record["chance"],
                "Level, times random's [95 %]": shown(LEVEL_QUANTITY),
                "Seeds": lambda row: row[0].n,
                "Verdict": lambda row: row[0].record["verdict"],
            },
            note,
        )


def _charts(dataset: Dataset, found: Estimates) -> Iterator[Chart]:
    known = Estimates(e for e in found if e.value is not None)
    if known:
        title = f"{dataset.title}: tail exponent of what was selected"
        series = {"picks counted": QUANTITY, "weights counted": QUANTITY + WEIGHTED}
        yield known.chart(title, "Rule", series, y_label="times that of random selections of equal size", level=1.0)


def _positive(tail: Tail) -> bool:
    """Whether there are exponents, all of them above 0: only then have they a logarithm."""
    return not tail.lacking and min(tail.exponent, *tail.random_exponents) > 0


def _spread(tail: Tail) -> float:
    """Standard deviation of the random exponents, over their mean; 0 of a single draw."""
    draws = tail.random_exponents
    return float(draws.std(ddof=1) / draws.mean()) if len(draws) > 1 else 0.0
