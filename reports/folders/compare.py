"""Two results folders side by side: two versions, two machines, or somebody's results and one's own.

Arms are matched by data set, reference, label, role and share of the budget. Where both sides ran the very same arm
(its key, a digest of everything that determines a run, is the same) runs of one seed saw the same random streams, and
accuracies are compared pair by pair; else as two samples (Welch). Seconds are compared only where both sides ran on
the same type of machine, the same device and as many threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ... import __version__
from ..effects.costs import Clock, Prices
from ..effects.estimate import Estimate
from ..effects.pairing import Pairs, common
from ..records.folder import ACCOUNTS, Arm, Cell, Results
from ..records.matrix import read_table, unlike
from ..records.models import code_versions
from ..statistics import mean_interval, welch_interval
from ..summary import summarise

CONFIDENCE = 0.95
_SHOWN = ("dataset", "reference", "label", "role", "rung")
_ROW = ("dataset", "reference", "strategy", "question", "baseline", "account", "cost", "ladder")
_RESULT = ("n_pairs", "mean_difference", "confidence", "ci_low", "ci_high", "verdict", "primary")
_PLACES = ("machine type", "device", "threads")
_ARM = ("strategy", "schedule", "lr", "origin", "settings", "cadence")

Both = tuple["Side", "Side"]


@dataclass(frozen=True)
class Side:
    results: Results

    @cached_property
    def summary(self) -> dict[str, Any]:
        return summarise(self.results)

    @cached_property
    def table(self) -> dict[str, Any]:
        """``matrix.toml`` with everything that reports need not know."""
        return read_table(self.results.path / "matrix.toml")

    @cached_property
    def pairs(self) -> Pairs:
        return Pairs(self.results)

    @cached_property
    def ordinary(self) -> Clock:
        return Clock(replace(self.results, timings=()), self.pairs.accounts)

    @cached_property
    def arms(self) -> dict[tuple[Any, ...], Arm]:
        found: dict[tuple[Any, ...], Arm] = {}
        for arm in self.results.matrix.arms.values():
            if self.results.of(arm):
                found.setdefault(tuple(getattr(arm, name) for name in _SHOWN), arm)
        return found


def compare(a: Results, b: Results) -> dict[str, Any]:
    """Compare two results folders; every difference is B minus A, every ratio B / A."""
    sides = Side(a), Side(b)
    datasets = _datasets(sides)
    reasons = {row["name"]: row["unlike"] for row in datasets}
    shared = [key for key in sides[0].arms if key in sides[1].arms]
    rows = [_arm(sides, (sides[0].arms[key], sides[1].arms[key]), reasons[key[0]]) for key in shared]
    return {
        "selbench": __version__,
        "confidence": CONFIDENCE,
        **{name: _described(side) for name, side in zip("ab", sides, strict=True)},
        "datasets": datasets,
        "settings": _settings(sides),
        "environment": _environment(sides),
        "arms": rows,
        "contrasts": list(_contrasts(sides)),
        **{f"only_{name}": _only(sides[i], sides[1 - i]) for i, name in enumerate("ab")},
    }


def _described(side: Side) -> dict[str, Any]:
    matrix = side.results.matrix
    named = {name: getattr(matrix, name) for name in ("name", "title", "identity")}
    cells = side.summary["cells"]
    return {"folder": side.results.path.resolve().name, **named, "cells": cells, "pays": vars(matrix.pays)}


def _datasets(sides: Both) -> list[dict[str, Any]]:
    """The data sets that both have, and why their accuracies are no pairs, where they are none."""
    tables = [{item["name"]: item for item in side.table["datasets"]} for side in sides]
    rows = []
    for name in (name for name in tables[0] if name in tables[1]):
        reasons = [
            f"{word}: {' and '.join(str(table[name].get(key)) for table in tables)}"
            for key, word in (("fingerprint", "content"), ("test", "test images"))
            if tables[0][name].get(key) != tables[1][name].get(key)
        ]
        rows.append({"name": name, "title": tables[0][name]["title"], "unlike": "; ".join(reasons)})
    return rows


def _arm(sides: Both, arms: tuple[Arm, Arm], reason: str) -> dict[str, Any]:
    a, b = (side.results.of(arm) for side, arm in zip(sides, arms, strict=True))
    same = arms[0].key == arms[1].key
    pairs = common(a, b) if same and not reason else {}
    points = [[100 * cell.accuracy for cell in of.values()] for of in (a, b)]
    method, difference = _difference(points[0], points[1], pairs)
    return {
        **{name: getattr(arms[0], name) for name in _SHOWN},
        "same_arm": same,
        "differs": [] if same else [name for name in _ARM if getattr(arms[0], name) != getattr(arms[1], name)],
        "n": [len(a), len(b)],
        "accuracy": [float(np.mean(of)) for of in points],
        "method": method,
        "n_pairs": len(pairs),
        "difference": difference.value,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "other_code": _other_code(a.values(), b.values()),
        "bit_equal": sum(bit_equal(*both) for both in pairs.values()),
        "flops": _flops(sides, arms),
        **_seconds(sides, arms),
    }


def _other_code(*sides: Iterable[Cell]) -> list[str]:
    """Parts of the code that both sides' records speak of, and whose versions are not the same."""
    a, b = map(code_versions, sides)
    return sorted(part for part in a.keys() & b.keys() if a[part] != b[part])


def _difference(
    a: Sequence[float], b: Sequence[float], pairs: Mapping[int, tuple[Cell, ...]]
) -> tuple[str | None, Estimate]:
    """B minus A in points: over the pairs where there are two, else between two samples where both have two runs."""
    if len(pairs) > 1:
        found = mean_interval([100 * theirs.accuracy - 100 * ours.accuracy for ours, theirs in pairs.values()])
        return "paired", Estimate("accuracy", {}, *found[:3], n=len(pairs), unit="points")
    ours, theirs = [[100 * cell.accuracy for cell in of] for of in zip(*pairs.values(), strict=True)] or (a, b)
    value = float(np.mean(theirs) - np.mean(ours))
    if min(len(a), len(b)) < 2:
        return None, Estimate("accuracy", {}, value, unit="points")
    return "Welch", Estimate("accuracy", {}, value, *welch_interval(b, a, CONFIDENCE)[1:3], unit="points")


def bit_equal(a: Cell, b: Cell) -> bool:
    """Whether two runs came out the same to the last bit: answers, losses, and what was picked."""
    same = ("accuracy", "accuracy_recalibrated", "train_loss", "val_accuracy")
    picked = ("trained_samples", "candidate_samples", "k", "class_counts", "mean_picked_loss")
    return (
        np.array_equal(a.correct, b.correct)
        and all(getattr(a, name) == getattr(b, name) for name in same)
        and all(getattr(a.picks, name) == getattr(b.picks, name) for name in picked)
    )


def _flops(sides: Both, arms: tuple[Arm, Arm]) -> dict[str, float | None]:
    kinds = {"learner": ("marginal", "learner_flops"), **{name: (name, "total_flops") for name in ACCOUNTS}}
    found: dict[str, float | None] = {}
    for name, kind in kinds.items():
        costs = (side.pairs.accounts.of(arm, *kind).values() for side, arm in zip(sides, arms, strict=True))
        a, b = (float(np.mean(list(of))) for of in costs)
        found[name] = b / a if a > 0 and math.isfinite(b / a) else None
    return found


def _seconds(sides: Both, arms: tuple[Arm, Arm]) -> dict[str, Any]:
    """Ratio of the seconds of a run alone, with an interval; or why there is none.

    Of the timing pass where both sides have one that covers the arm, else of ordinary cells: an indication.
    """
    found = [side.pairs.clock.seconds([arm], "marginal") for side, arm in zip(sides, arms, strict=True)]
    if not all(of and of.timed for of in found):
        found = [side.ordinary.seconds([arm], "marginal") for side, arm in zip(sides, arms, strict=True)]
    a, b = found
    if a is None or b is None:
        who = " and ".join(name for name, of in zip("AB", found, strict=True) if of is None)
        return {"seconds": None, "seconds_refused": f"{who} ran them on several machines"}
    places = zip(_PLACES, a.machine, b.machine, strict=True)
    if apart := [f"{word} {ours} and {theirs}" for word, ours, theirs in places if ours != theirs]:
        return {"seconds": None, "seconds_refused": ", ".join(apart)}
    if not all((of.values > 0).all() for of in (a, b)):
        return {"seconds": None, "seconds_refused": "a run that took no time"}
    return {"seconds": {**_ratio(a, b), "source": a.source}, "seconds_refused": ""}


def _ratio(a: Prices, b: Prices) -> dict[str, float | None]:
    """Ratio of the geometric means of seconds B / A, with Welch's interval on the log scale."""
    logs = [np.log(of.values[0]) for of in (a, b)]
    wide = welch_interval(logs[1], logs[0], CONFIDENCE) if min(of.size for of in logs) > 1 else None
    low, high = (math.exp(wide.low), math.exp(wide.high)) if wide else (None, None)
    return {"ratio": math.exp(float(logs[1].mean() - logs[0].mean())), "ci_low": low, "ci_high": high}


def _contrasts(sides: Both) -> Iterator[dict[str, Any]]:
    theirs = {tuple(row[name] for name in _ROW): row for row in sides[1].summary["contrasts"]}
    for ours in sides[0].summary["contrasts"]:
        other = theirs.get(tuple(ours[name] for name in _ROW))
        if other is None:
            continue
        ends = [(row["ci_low"], row["ci_high"]) for row in (ours, other)]
        apart = all(low is not None for low, _ in ends) and (ends[0][1] < ends[1][0] or ends[1][1] < ends[0][0])
        yield {
            **{name: ours[name] for name in _ROW},
            "a": {name: ours[name] for name in _RESULT},
            "b": {name: other[name] for name in _RESULT},
            "changed": ours["verdict"] != other["verdict"],
            "apart": apart,
        }


def _settings(sides: Both) -> list[dict[str, Any]]:
    """Keys of ``matrix.toml`` that differ, without arms and data sets of one side alone: those are named elsewhere."""
    tables = [{key: value for key, value in side.table.items() if key not in ("arms", "identity")} for side in sides]
    names = [{dataset["name"] for dataset in table["datasets"]} for table in tables]
    for table in tables:
        shared = [item for item in table["datasets"] if item["name"] in names[0] & names[1]]
        # Long, and part of what the fingerprint is of.
        table["datasets"] = [{key: value for key, value in item.items() if key != "test_labels"} for item in shared]
    return _unlike(tables)


def _environment(sides: Both) -> list[dict[str, Any]]:
    tables = [
        {
            key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            for key, value in side.summary["environment"].items()
            if key not in ("started", "finished")
        }
        for side in sides
    ]
    return _unlike(tables)


def _unlike(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": key, "a": ours, "b": theirs} for key, ours, theirs in unlike(*tables)]


def _only(side: Side, other: Side) -> list[dict[str, Any]]:
    return [{name: getattr(arm, name) for name in _SHOWN} for key, arm in side.arms.items() if key not in other.arms]
