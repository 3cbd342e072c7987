"""Does it save time, or only FLOPs? What each strategy spends of full training's FLOPs, and of its seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..document.blocks import Chart
from ..document.numbers import NARROW, plural, points, span
from ..records.folder import ACCOUNTS, Results
from .answer import Answer, Names, Summary
from .options import among, only, several
from .saved import Case, Ratio, Row, cases
from .savedshown import (
    accuracy_table,
    apart_chart,
    bracketed,
    evidence,
    flops_table,
    kinds,
    number,
    quantities,
    seconds_table,
    spent_chart,
)

OPTIONS = ("strategies", "costs_only", "account")


class Savings:
    """What strategies save at equal passes, side by side in FLOPs and seconds, and what that buys.

    Parameters
    ----------
    options : mapping
        ``strategies``: labels, the first of which is the sentence's; by default those with primary contrasts.
        ``costs_only``: data set entries of too short a training for their accuracies to be read.
        ``account``: of the realised share and of equal cost; by default that of the matrix's primary contrasts.
    names : Names

    Raises
    ------
    ValueError
        For an unknown option or name.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, OPTIONS)
        self.strategies = several(options, "strategies", names.strategies)
        self.costs_only = several(options, "costs_only", names.datasets)
        self.account = str(options.get("account", ""))
        if self.account:
            among("account", self.account, ACCOUNTS)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The sentence is of the first strategy on every entry, the tables of all strategies."""
        account = self.account or results.matrix.pays.account
        declared = dict.fromkeys(text.rpartition(":")[0] for text in results.matrix.primary)
        labels = self.strategies or tuple(declared) or results.matrix.requested_strategies
        found = cases(results, summary, labels, account)
        head = [case for case in found if case.strategy == labels[0]] if labels else []
        if not head:
            whose = labels[0] if labels else "a strategy"
            return Answer(f"No seed has both {whose} and full training yet.", enough=False)
        waiting = _unfinished(results, found, labels)
        judged = [case for case in found if case.dataset not in self.costs_only]
        left_out = dict.fromkeys(case.title for case in found if case.dataset in self.costs_only)
        return Answer(
            sentence=_Teller(head, account, self.costs_only).sentence(),
            enough=not waiting and all((of := case.seconds[account]) and of.low is not None for case in head),
            quantities=tuple(each for case in found for each in quantities(case, account, case in judged)),
            tables=(
                flops_table(found),
                seconds_table(found, account),
                accuracy_table(judged, account, _levels(judged, account), tuple(left_out)),
            ),
            charts=self._charts(head, found, account),
            notes=(*waiting, *_notes(found, summary, account)),
        )

    def _charts(self, head: Sequence[Case], found: Sequence[Case], account: str) -> tuple[Chart, ...]:
        """The first strategy over the entries, and each entry that has several strategies over these."""
        shown = self._pair(head[0].strategy, head, account, lambda case: case.title)
        for dataset in dict.fromkeys(case.dataset for case in found):
            here = [case for case in found if case.dataset == dataset]
            if len(here) > 1:
                shown += self._pair(here[0].title, here, account, lambda case: case.label)
        return tuple(shown)

    def _pair(self, title: str, found: Sequence[Case], account: str, name: Callable[[Case], str]) -> list[Chart]:
        """What was spent and, of the entries whose accuracies may be read, what was bought."""
        judged = [case for case in found if case.dataset not in self.costs_only]
        charts = [spent_chart(title, [name(case) for case in found], found, account)]
        return charts + ([apart_chart(title, [name(case) for case in judged], judged, account)] if judged else [])


class _Teller:
    """The sentence: the first case in full, all of them as a span."""

    def __init__(self, head: Sequence[Case], account: str, costs_only: Sequence[str]) -> None:
        self.head, self.account = head, account
        self.judged = [case for case in head if case.dataset not in costs_only]

    def sentence(self) -> str:
        first = self.head[0]
        parts = [f"On {first.title}, {first.label} spends {self._spent(first)}: {self._meaning(first)}"]
        if first in self.judged:
            parts.append(self._bought(first))
        if len(self.head) > 1:
            parts.append(self._over_all())
        return "; ".join(filter(None, parts)) + "."

    def _spent(self, case: Case) -> str:
        spent = {
            "of full training's learner FLOPs": case.flops["learner"],
            f"of its total FLOPs ({self.account})": case.flops[self.account],
            "of its seconds": case.seconds[self.account],
        }
        parts = [f"{bracketed(found)} {what}" for what, found in spent.items() if found is not None]
        return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else "what is not known"

    def _meaning(self, case: Case) -> str:
        total, seconds = case.flops[self.account], case.seconds[self.account]
        saved = total is not None and total.less
        flops = "the FLOPs are saved" if saved else "no FLOPs are shown to be saved"
        if total is not None and total.low is None:
            flops = "FLOPs of one seed, without an interval"
        if seconds is None:
            return f"{flops}; whether time is saved needs a timing pass, since seconds of ordinary runs are no evidence"
        if seconds.low is None:
            return f"{flops}; {plural(case.blocks, 'timed block')} cannot tell whether time is"
        if seconds.less:
            realised = f" ({bracketed(case.share)} of what the FLOPs promise)" if case.share else ""
            return f"the FLOPs are saved, and so is time{realised}" if saved else f"{flops}, but time is"
        if seconds.more:
            return "the FLOPs are saved, the time is not" if saved else f"{flops}, and more time is spent"
        return f"{flops}, and {plural(case.blocks, 'timed block')} cannot tell whether time is"

    def _at_equal_seconds(self, case: Case) -> Row | None:
        return evidence(case, ("pays", self.account, "wall_clock", "full"))

    def _bought(self, case: Case) -> str:
        row = self._at_equal_seconds(case)
        if row is None:
            return ""
        mean, low, high = row["mean_difference"], row["ci_low"], row["ci_high"]
        apart = Ratio(mean, low, high) if mean > 0 else Ratio(-mean, _minus(high), _minus(low))
        text = f"{bracketed(apart)} points {'above' if mean > 0 else 'below'}"
        basis = f"({plural(row['n_pairs'], 'seed')}, {_level(row['confidence'])} interval)"
        if row["above_ladder"] == row["n_pairs"]:
            return f"it ends {text} full training itself, the longest there is to compare with {basis}"
        return f"at equal seconds it is {text} shortened full training {basis}"

    def _over_all(self) -> str:
        totals = [of.value for case in self.head if (of := case.flops[self.account])]
        known = [of for case in self.head if (of := case.seconds[self.account])]
        parts = [f"{span(totals, number)} of the total FLOPs"] if totals else []
        if known:
            less, more = sum(of.less for of in known), sum(of.more for of in known)
            parts.append(
                f"{span([of.value for of in known], number)} of the seconds (less than full in {less}, more in {more}, "
                f"not told apart in {len(known) - less - more})"
            )
        text = f"over all {len(self.head)} settings it spends {' and '.join(parts)}" if parts else ""
        rows = [row for case in self.judged if (row := self._at_equal_seconds(case))]
        if len(rows) > 1:
            worse = sum(row["ci_high"] is not None and row["ci_high"] < 0 for row in rows)
            better = sum(row["ci_low"] is not None and row["ci_low"] > 0 for row in rows)
            text += (
                f", and at equal seconds stands {span([row['mean_difference'] for row in rows], points)} points from "
                f"full training (below in {worse} of {len(rows)}, above in {better})"
            )
        return text


def _levels(found: Sequence[Case], account: str) -> str:
    rows = [row for case in found for kind in kinds(account).values() if (row := evidence(case, kind))]
    return span([row["confidence"] for row in rows], _level) if rows else "none"


def _level(confidence: float) -> str:
    return f"{100 * confidence:.3g}{NARROW}%"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _unfinished(results: Results, found: Sequence[Case], labels: Sequence[str]) -> list[str]:
    """A line for each entry and strategy that has no seed in common with full training yet."""
    there = {(case.dataset, case.strategy, case.reference) for case in found}
    arms = [arm for arm in results.arms(role="strategy") if arm.label in labels]
    missing = [arm for arm in arms if (arm.dataset, arm.label, arm.reference) not in there]
    return [f"No seed has both {arm.label} and full training yet on {arm.dataset}." for arm in missing]


def _notes(found: Sequence[Case], summary: Summary, account: str) -> tuple[str, ...]:
    timing = summary["timing"]
    notes = []
    if not timing["blocks"]:
        notes.append("There is no timing pass: no seconds are shown.")
    elif not timing["complete"]:
        notes.append("The timing pass is not complete: ratios rest on the blocks that have both runs.")
    for case in found:
        if case.collapsed:
            notes.append(f"{case.title}, {case.label}: {plural(case.collapsed, 'seed')} with a collapsed run.")
        row = evidence(case, ("pays", account, "wall_clock", "full"))
        if row is not None and row["above_ladder"]:
            notes.append(f"{case.title}, {case.label}, at equal seconds: {row['note']}.")
    return tuple(notes)
