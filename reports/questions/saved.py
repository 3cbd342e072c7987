"""What a strategy saved against full training at equal passes: FLOPs, seconds, and how much of one became the other.

FLOPs, their intervals and every difference in accuracy are those of the summary. Seconds are of the timing pass alone,
with Fieller's interval over its blocks. The realised share is seconds saved over the seconds that would have been saved
had they followed the FLOPs, block by block: ``mean(F - S) / mean(F (1 - f))`` with F and S the seconds of full training
and of the strategy in a block, and f the ratio of their FLOPs at that block's seed. It equals
(1 - ratio of seconds) / (1 - ratio of FLOPs), and one interval holds the spread of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..effects.costs import Accounts
from ..effects.seconds import Clock
from ..records.folder import ACCOUNTS, Arm, Results
from ..statistics import Interval, fieller_interval
from .answer import Summary

Row = Mapping[str, Any]
Key = tuple[str, str | None, str | None, str | None]


@dataclass(frozen=True)
class Ratio:
    """A number with its 95 % interval; the ends are None where there is none."""

    value: float
    low: float | None
    high: float | None

    @property
    def less(self) -> bool:
        """Whether all of the interval lies below 1."""
        return self.high is not None and self.high < 1.0

    @property
    def more(self) -> bool:
        """Whether all of the interval lies above 1."""
        return self.low is not None and self.low > 1.0


@dataclass(frozen=True)
class Case:
    """One strategy on one data set entry, with one reference.

    Parameters
    ----------
    strategy, dataset, reference : str
        Names; the reference is empty where none is needed.
    label, title : str
        As shown; the label has the reference beside it where there are several.
    ceiling : float or None
        The largest speed-up at equal passes that the scoring scheme allows.
    flops : mapping of account, and ``learner``, to Ratio or None
        Against full training.
    seconds : mapping of account to Ratio or None
        None without a timing pass that has both arms on one machine.
    blocks : int
        Of the timing pass, behind ``seconds``.
    share : Ratio or None
        Realised share of the FLOP saving in the study's account.
    contrasts : mapping of (question, account, cost, ladder) to the summary's row
    n, collapsed : int
        Pairs of seeds against full training; seeds with a collapsed run.
    """

    strategy: str
    dataset: str
    reference: str
    label: str
    title: str
    ceiling: float | None
    flops: Mapping[str, Ratio | None]
    seconds: Mapping[str, Ratio | None]
    blocks: int
    share: Ratio | None
    contrasts: Mapping[Key, Row]
    n: int
    collapsed: int


def cases(results: Results, summary: Summary, labels: Sequence[str], account: str) -> list[Case]:
    """Every finished pair of one of ``labels`` and full training, by entry and then in the order of ``labels``."""
    accounts = Accounts(results)
    clock = Clock(results, accounts)
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    rows: dict[str, dict[Key, Row]] = {}
    for row in summary["contrasts"]:
        rows.setdefault(row["arm"], {})[row["question"], row["account"], row["cost"], row["ladder"]] = row
    found = []
    for label in labels:
        arms = [arm for arm in results.arms(role="strategy") if arm.label == label]
        for arm in arms:
            of = rows.get(arm.key, {})
            full = next((rung for rung in results.ladder(arm.dataset, "full") if rung.rung == 1.0), None)
            against = of.get(("accuracy", None, None, None))
            if full is None or against is None or not against["n_pairs"]:
                continue
            several = len({other.reference for other in arms if other.dataset == arm.dataset}) > 1
            beside = f" ({arm.reference})" if several and arm.reference else ""
            seconds, blocks = _seconds(clock, arm, full)
            found.append(
                Case(
                    strategy=label,
                    dataset=arm.dataset,
                    reference=arm.reference,
                    label=label + beside,
                    title=titles[arm.dataset],
                    ceiling=against["ceiling"],
                    flops=_flops(against),
                    seconds=seconds,
                    blocks=blocks,
                    share=_share(against, clock, accounts, arm, full, account),
                    contrasts=of,
                    n=against["n_pairs"],
                    collapsed=against["collapsed"],
                )
            )
    entries = list(titles)
    return sorted(found, key=lambda case: entries.index(case.dataset))


def _flops(row: Row) -> dict[str, Ratio | None]:
    of = {account: _read(row["costs"].get(account, {}).get("total_flops")) for account in ACCOUNTS}
    return {"learner": _read(row["costs"].get("marginal", {}).get("learner_flops")), **of}


def _read(cost: Row | None) -> Ratio | None:
    if cost is None or cost["ratio"] is None:
        return None
    return Ratio(cost["ratio"], cost["ci_low"], cost["ci_high"])


def _seconds(clock: Clock, arm: Arm, full: Arm) -> tuple[dict[str, Ratio | None], int]:
    """Ratios of seconds in each account, and the blocks that they rest on."""
    ratios: dict[str, Ratio | None] = dict.fromkeys(ACCOUNTS)
    blocks = 0
    for account in ACCOUNTS:
        found = clock.seconds([arm, full], account)
        if found is None or not found.timed:
            continue
        blocks = len(found.blocks)
        ours, theirs = found.values
        if np.isfinite(found.values).all() and (found.values > 0).all():
            whole = fieller_interval(ours, theirs) if blocks > 1 else None
            ratios[account] = _ratio(whole) or Ratio(float(ours.mean() / theirs.mean()), None, None)
    return ratios, blocks


def _share(row: Row, clock: Clock, accounts: Accounts, arm: Arm, full: Arm, account: str) -> Ratio | None:
    """The realised share; None where FLOPs were not surely saved, or fewer than two blocks are known to the end."""
    saved = _read(row["costs"].get(account, {}).get("total_flops"))
    found = clock.seconds([arm, full], account)
    if saved is None or not saved.less or found is None or not found.timed or len(found.blocks) < 2:
        return None
    spent = [accounts.of(of, account, "total_flops") for of in (arm, full)]
    flops = np.array([[of.get(block, math.nan) for block in found.blocks] for of in spent])
    if not (np.isfinite(flops).all() and np.isfinite(found.values).all() and (flops[1] > 0).all()):
        return None
    ours, theirs = found.values
    return _ratio(fieller_interval(theirs - ours, theirs * (1 - flops[0] / flops[1])))


def _ratio(found: Interval | None) -> Ratio | None:
    return None if found is None else Ratio(found.estimate, found.low, found.high)
