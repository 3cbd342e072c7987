"""Does it save time, or only FLOPs? What each strategy spends of full training's FLOPs, and of its seconds.

Seconds are of the timing pass alone, with Fieller's interval over its blocks. The realised share is seconds saved over
the seconds that would have been saved had they followed the FLOPs, block by block: ``mean(F - S) / mean(F (1 - f))``
with F and S the seconds of full training and of the strategy in a block, and f the ratio of their FLOPs at that
block's seed. It equals (1 - ratio of seconds) / (1 - ratio of FLOPs), and one interval holds the spread of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import field_validator

from ..document.blocks import Chart, Table
from ..document.numbers import ACCOUNT_WORDS, NARROW, NONE, plural, ratio, span
from ..effects.costs import Accounts, Clock
from ..effects.estimate import Column, Estimate, Estimates, interval_of, listed
from ..records.folder import ACCOUNTS, TIMED, Arm, Results
from ..statistics import Interval, fieller_interval
from .answer import Answer, DatasetName, Several, StrategyName, Study, Summary, known

LEARNER, TOTAL, SECONDS = "learner FLOPs ratio", "total FLOPs ratio, {}", "seconds ratio, {}"
SHARE = "realised share of the FLOP saving"
COSTS = {"total_flops": "equal total FLOPs", "wall_clock": "equal seconds"}
NO_PASS = "no timing pass"

RIVALS: dict[tuple[str, str | None, str], tuple[str, str, str]] = {
    ("accuracy", None, ""): ("full, equal passes", "accuracy difference", "full"),
    ("picking", None, ""): ("random picks of its number", "accuracy difference", "uniform"),
    **{
        ("pays", cost, rival): (f"{rival}, {words}", f"accuracy difference at {words}", rival)
        for cost, words in COSTS.items()
        for rival in ("cost twin", "full ladder", "uniform ladder")
    },
}
"""Question, cost and, at equal cost, baseline of a contrast -> column of the table, quantity, and rival."""

MEANING = {
    (True, -1): "FLOPs are saved, and so is time",
    (True, 0): "FLOPs are saved, but whether time is cannot be told",
    (True, 1): "FLOPs are saved, time is not",
    (False, -1): "time is saved, though no FLOPs are shown to be",
    (False, 0): "neither FLOPs nor time are shown to be saved",
    (False, 1): "more time is spent, and no FLOPs are shown to be saved",
}
"""Whether FLOPs are saved, and on which side of full training's the seconds lie."""


class Savings(Study):
    """What strategies save at equal passes, side by side in FLOPs and seconds, and what that buys.

    Parameters
    ----------
    strategies : list of str
        Labels, the first of which is the sentence's; by default those with primary contrasts.
    costs_only : list of str
        Data set entries of too short a training for their accuracies to be read.
    account : str
        Of the realised share and of equal cost; by default that of the matrix's primary contrasts.
    """

    strategies: Several[StrategyName] = ()
    costs_only: Several[DatasetName] = ()
    account: str = ""

    @field_validator("account")
    @classmethod
    def _account(cls, given: str) -> str:
        return known(given, ACCOUNTS)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The sentence is of the first strategy on the first entry, the tables of all strategies."""
        account = self.account or results.matrix.pays.account
        declared = dict.fromkeys(text.rpartition(":")[0] for text in results.matrix.primary)
        labels = self.strategies or tuple(declared) or results.matrix.requested.strategies
        found = Estimates(self._estimates(results, summary, labels, account))
        head = found.where(label=labels[0]) if labels else found
        if not head:
            whose = labels[0] if labels else "a strategy"
            return Answer(f"No seed has both {whose} and full training yet.", enough=False)
        judged = Estimates(e for e in found if e.keys["dataset"] not in self.costs_only)
        seconds = head.where(SECONDS.format(account))
        there = {e.keys["arm"] for e in found}
        missing = [a for a in results.arms(role="strategy") if a.label in labels and a.key not in there]
        timed = len(seconds) == len({e.keys["arm"] for e in head}) and all(e.low is not None for e in seconds)
        return Answer(
            sentence=_sentence(head, account),
            enough=timed and not missing,
            quantities=found.quantities(),
            tables=tuple(_tables(found, judged, account)),
            charts=tuple(_charts(found, judged, head, account)),
            notes=tuple(_notes(found, missing, summary)),
        )

    def _estimates(self, results: Results, summary: Summary, labels: Sequence[str], account: str) -> Iterator[Estimate]:
        """Every number of each finished pair of a strategy and full training, by entry, then in the order of labels."""
        accounts = Accounts(results)
        clock = Clock(results, accounts)
        contrasts: dict[str, dict[tuple[str, str | None, str], Mapping[str, Any]]] = {}
        for row in summary["contrasts"]:
            if row["account"] in (None, account):
                rival = row["baseline"] if row["question"] == "pays" else ""
                contrasts.setdefault(row["arm"], {})[row["question"], row["cost"], rival] = row
        asked: dict[tuple[str, str], list[Arm]] = {}
        for arm in results.arms(role="strategy"):
            asked.setdefault((arm.dataset, arm.label), []).append(arm)
        entries = [(of["name"], of["title"], label) for of in summary["matrix"]["datasets"] for label in labels]
        for name, title, label in entries:
            arms = asked.get((name, label), [])
            several = len({arm.reference for arm in arms}) > 1
            for arm in arms:
                rows = contrasts.get(arm.key, {})
                whole = rows.get(("accuracy", None, ""))
                if whole is None or not whole["n_pairs"]:
                    continue
                beside = f" ({arm.reference})" if several and arm.reference else ""
                keys = {"entry": title, "strategy": label + beside, "dataset": name, "arm": arm.key}
                keys |= {"label": label, "setting": title + beside, "rival": "full"}
                yield from _spent(whole, keys)
                full = results.matrix.arms[whole["baseline_arm"]]
                if share := _realised(full, arm, whole, clock, accounts, account):
                    yield interval_of(SHARE, keys, share, whole["timing"]["blocks"])
                if name not in self.costs_only:
                    yield from _judged(rows, keys)


def _spent(row: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[Estimate]:
    timed = row["timing"]["source"] == TIMED
    for name, account, cost, n in (
        (LEARNER, "marginal", "learner_flops", row["n_pairs"]),
        *((TOTAL.format(a), a, "total_flops", row["n_pairs"]) for a in ACCOUNTS),
        *((SECONDS.format(a), a, "wall_clock", row["timing"]["blocks"]) for a in ACCOUNTS if timed),
    ):
        paid = row["costs"].get(account, {}).get(cost)
        if paid and paid["ratio"] is not None:
            yield Estimate(name, keys, paid["ratio"], paid["ci_low"], paid["ci_high"], n, record=row)


def _judged(rows: Mapping[Any, Mapping[str, Any]], keys: Mapping[str, str]) -> Iterator[Estimate]:
    for kind, (_, name, rival) in RIVALS.items():
        row = rows.get(kind)
        if row and row["n_pairs"] and (kind[1] != "wall_clock" or row["timing"]["source"] == TIMED):
            ends = row["mean_difference"], row["ci_low"], row["ci_high"]
            yield Estimate(name, {**keys, "rival": rival}, *ends, row["n_pairs"], row["confidence"], "points", row)


def _realised(
    full: Arm, arm: Arm, row: Mapping[str, Any], clock: Clock, accounts: Accounts, account: str
) -> Interval | None:
    """The realised share; None where FLOPs were not surely saved, or fewer than two blocks are known to the end."""
    saved, found = row["costs"].get(account, {}).get("total_flops"), clock.seconds([arm, full], account)
    if not saved or saved["ci_high"] is None or saved["ci_high"] >= 1:
        return None
    if found is None or not found.timed or len(found.blocks) < 2:
        return None
    spent = [accounts.of(of, account, "total_flops") for of in (arm, full)]
    flops = np.array([[of.get(block, np.nan) for block in found.blocks] for of in spent])
    if not (np.isfinite(flops).all() and np.isfinite(found.values).all() and (flops[1] > 0).all()):
        return None
    ours, theirs = found.values
    return fieller_interval(theirs - ours, theirs * (1 - flops[0] / flops[1]))


def _found(name: str, rival: str) -> Column:
    """A column; where it needs seconds and there are none, it says so."""
    untimed = NO_PASS if "seconds" in name else NONE
    return lambda row: row.one(name, rival=rival) or (NONE if row[0].record["timing"]["blocks"] else untimed)


def _tables(found: Estimates, judged: Estimates, account: str) -> Iterator[Table]:
    index = ("entry", "strategy")
    spent: dict[str, Column] = {"learner alone": LEARNER, **{f"all, {a}": TOTAL.format(a) for a in ACCOUNTS}}
    spent["ceiling"] = lambda row: ratio(row[0].record["ceiling"])
    accounts = "; ".join(f"{a}: {ACCOUNT_WORDS[a]}" for a in ACCOUNTS)
    note = (
        f"Learner alone is what papers mostly count. {accounts}. "
        "The ceiling is the largest speed-up at equal passes that the scoring scheme allows."
    )
    yield found.table("FLOPs, as a share of full training's at equal passes", index, spent, note)
    timed = {a: _found(SECONDS.format(a), "full") for a in ACCOUNTS}
    timed[f"realised share of the FLOPs saved ({account})"] = SHARE
    timed["timed blocks"] = lambda row: row[0].record["timing"]["blocks"]
    note = (
        f"Timing pass only; 95{NARROW}% intervals by Fieller's method over its blocks. Realised share: seconds saved "
        "over those that would have been saved had they followed the total FLOPs; 1 is all of it, below 0 the run "
        "takes longer. Not shown where FLOPs are not surely saved."
    )
    yield found.table("Seconds, as a share of full training's at equal passes", index, timed, note)
    apart = {head: _found(name, rival) for head, name, rival in RIVALS.values()}
    apart["seeds"] = lambda row: row[0].n
    levels = [100 * e.confidence for e in judged if e.unit == "points"]
    read_at = span(levels, lambda level: f"{level:.3g}{NARROW}%") if levels else "none"
    note = f"At equal cost: {account} account. Intervals at the level that a row's verdict is read at ({read_at})."
    shown = {e.keys["entry"] for e in judged}
    if left_out := dict.fromkeys(e.keys["entry"] for e in found if e.keys["entry"] not in shown):
        note += f" Too short a training for its accuracy to be read: {', '.join(left_out)}."
    yield judged.table("Accuracy, points apart from", index, apart, note)


def _charts(found: Estimates, judged: Estimates, head: Estimates, account: str) -> Iterator[Chart]:
    """The first strategy over the entries, and each entry that has several strategies over these."""
    spent: dict[str, Column] = {
        "learner FLOPs": LEARNER,
        f"total FLOPs ({account})": TOTAL.format(account),
        f"seconds ({account})": SECONDS.format(account),
    }
    apart: dict[str, Column] = {f"at {of}": (f"accuracy difference at {of}", "full ladder") for of in COSTS.values()}
    label = head[0].keys["label"]
    scopes = [(label, "setting", "label", label)]
    scopes += [(e.keys["entry"], "strategy", "dataset", e.keys["dataset"]) for e in found]
    for title, by, key, value in dict.fromkeys(scopes):
        here, there = found.where(**{key: value}), judged.where(**{key: value})
        if by == "strategy" and len({e.keys["arm"] for e in here}) < 2:
            continue
        words = f"{title}: FLOPs and seconds beside full training's"
        yield here.chart(words, by, spent, y_label="Share of full training's", level=1.0)
        if there:
            words = f"{title}: accuracy beside shortened full training's"
            yield there.chart(words, by, apart, y_label="Difference (points)", level=0.0)


def _sentence(head: Estimates, account: str) -> str:
    """The seconds of the first setting, or its FLOPs where none were timed."""
    first = head.where(arm=head[0].keys["arm"])
    total, seconds = first.one(TOTAL.format(account)), first.one(SECONDS.format(account))
    where = f"On {first[0].keys['entry']}, {first[0].keys['strategy']}"
    others = "; the tables have the others" if len({e.keys["arm"] for e in head}) > 1 else ""
    if seconds is not None:
        meaning = MEANING[total is not None and total.side(1) < 0, seconds.side(1)]
        blocks = plural(seconds.n, "timed block")
        return f"{where} takes {seconds} of full training's seconds at equal passes ({blocks}): {meaning}{others}."
    if total is None:
        return f"{where} has no cost that can be compared with full training's{others}."
    return (
        f"{where} spends {total} of full training's total FLOPs ({account}, {plural(total.n, 'seed')}); whether that "
        f"saves time needs a timing pass{others}."
    )


def _notes(found: Estimates, missing: Sequence[Arm], summary: Summary) -> Iterator[str]:
    named = "{0.keys[strategy]} on {0.keys[entry]}".format
    open_ = [f"{arm.label} on {arm.dataset}" for arm in missing]
    if not summary["timing"]["blocks"]:
        yield "There is no timing pass: no seconds are shown."
    elif not summary["timing"]["complete"]:
        open_.append("the timing pass (ratios rest on the blocks that have both runs)")
    if open_:
        yield f"Not finished: {listed(open_)}."
    if collapsed := [f"{e.record['collapsed']} of {named(e)}" for e in found.where(LEARNER) if e.record["collapsed"]]:
        yield f"Seeds with a collapsed run: {listed(collapsed)}."
    equal = found.where(f"accuracy difference at {COSTS['wall_clock']}", rival="full ladder")
    if above := [named(e) for e in equal if e.record["above_ladder"]]:
        yield f"At equal seconds, {listed(above)} cost more than the ladder's top rung, which favours the strategy."
