"""Does pruning leave the exponent of the spectral tail as it is?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from ..document.blocks import Table
from ..document.numbers import NONE, plural, share
from ..effects.estimate import Estimate, Estimates, listed
from ..records.folder import Dataset, Results
from ..records.measured import Spectrum as Taken
from ..statistics import t_test
from .answer import Answer, Fraction, Study, Summary, about
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
        lacking = "no run says the spectrum of what it selected"
        return answered(results, lambda measures: measures.spectrum, self._part, lacking)

    def _part(self, dataset: Dataset, arms: Mapping[str, Measured[Taken]]) -> Answer:
        out: list[str] = []
        found = Estimates(e for arm in arms.values() for e in self._estimates(arm, out))
        static = [e for e in found if e.keys["judged"] and e.quantity.startswith(QUANTITY)]
        lacking = f"it takes {FEWEST} seeds of a rule that picks once" if static else "no rule picks once"
        told = Estimates(e for e in found if not e.keys["random"])
        known = Estimates(e for e in found if e.value is not None)
        title, y = (
            f"{dataset.title}: tail exponent of what was selected",
            "times that of random selections of equal size",
        )
        series = {"picks counted": QUANTITY, "weights counted": QUANTITY + WEIGHTED}
        chart = known.chart(title, "Rule", series, y_label=y, level=1.0) if known else None
        tables = [self._table(dataset, found, arms, out)]
        return about(dataset.title, self._sentence(static), lacking, told, tables, [chart], NOTES)

    def _sentence(self, static: Sequence[Estimate]) -> str:
        told = [e for e in static if e.value is not None]
        if not told:
            return ""
        rules = [e for e in told if e.keys["Counted"] == "picks"] or told
        most = max(rules, key=lambda e: abs(math.log(e.value or 1.0)))
        inside = sum(e.record["verdict"] in INSIDE for e in rules)
        return (
            f"of {plural(len(rules), 'rule that picks', 'rules that pick')} one subset, {most.keys['Rule']} changes "
            f"the tail exponent of the features most, to {most:full} times random subsets' ({plural(most.n, 'seed')}); "
            f"{inside} stay within {self._margins()}"
        )

    def _estimates(self, arm: Measured[Taken], out: list[str]) -> Iterator[Estimate]:
        """Shift and level of an arm, picks counted and, where there are any, weights; ``out`` gets what is left out."""
        for more in ("", WEIGHTED):
            tails = {seed: taken.soft if more else taken.hard for seed, taken in arm.values.items()}
            there = {seed: tail for seed, tail in tails.items() if tail is not None}
            if not there:
                continue
            # Only exponents above 0 have a logarithm.
            known = {
                seed: tail
                for seed, tail in there.items()
                if not tail.lacking and min(tail.exponent, *tail.random_exponents) > 0
            }
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
            draws = [of.random_exponents for of in known.values()]
            spreads = [of.std(ddof=1) / of.mean() if len(of) > 1 else 0.0 for of in draws]
            chance = NONE if shift.value is None else share(float(np.mean(spreads)))
            yield replace(shift, record={"verdict": self._verdict(shift), "chance": chance})
            yield ratio_of(LEVEL_QUANTITY + more, keys, levels)

    def _verdict(self, shift: Estimate) -> str:
        if shift.value is None or shift.low is None or shift.high is None:
            return "no verdict yet"
        shifts, low, high = np.array([*shift.record.values()]), 1 - self.margin, 1 + self.margin
        if max(t_test(shifts, math.log(low)), t_test(-shifts, -math.log(high))) < ALPHA:
            return INSIDE[0] if shift.low <= 1 <= shift.high else INSIDE[1]
        return "outside the margin" if shift.high < low or shift.low > high else "not settled"

    def _margins(self) -> str:
        return f"{1 - self.margin:.3g} to {1 + self.margin:.3g}"

    def _table(self, dataset: Dataset, found: Estimates, arms: Mapping[str, Measured[Taken]], out: list[str]) -> Table:
        windows = sorted({(taken.first, taken.last) for arm in arms.values() for taken in arm.values.values()})
        note = (
            f"Covariance of the features of {references(arms)}, ranks {listed(f'{a} to {b}' for a, b in windows)}. "
            f"Equivalent: inside {self._margins()} by two one-sided t tests at 5 % over seeds. The spread is that of a "
            "single random selection about its mean. The level is the eigenvalues' geometric mean in the window."
        )
        note += f" Left out: {'; '.join(out[:3])}{' ...' if out[3:] else ''}." if out else ""
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
