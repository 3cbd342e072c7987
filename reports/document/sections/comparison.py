"""What ``selbench compare`` says: what is unlike, then the difference of each arm, then the verdicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ..blocks import Block, Grid, Items, Prose, columns
from ..numbers import COST_WORDS, NONE, budget_share, interval, plural, ratio, worded
from ..panels import Row, at_declared_cost
from ..text import short

_NAME = 14
_VALUE = 80

_ARMS = (
    "name arm; percent A, %; percent B, %; points B \u2212 A; points 95 % interval; count equal; ratio FLOPs; "
    "ratio seconds"
)

KEY = (
    "B \u2212 A: points, with the 95 % interval; p: paired by seed, w: two samples (Welch); equal: pairs that came out "
    "the same to the last bit; FLOPs, seconds: B / A, of a run alone (i: an indication, from ordinary cells). "
    "!: the verdict changed; !!: and the two intervals exclude each other."
)


def title(comparison: Row) -> str:
    sides = [("A", comparison["a"]), ("B", comparison["b"])]
    return "; ".join(f"{at}: {of['folder']} ({of['name']}, {plural(of['cells']['done'], 'run')})" for at, of in sides)


def lines(comparison: Row) -> Iterator[str]:
    arms = comparison["arms"]
    if not arms:
        yield "No arm has runs on both sides: there is nothing to compare."
    pairs, equal = sum(row["n_pairs"] for row in arms), sum(row["bit_equal"] for row in arms)
    if pairs:
        yield f"{equal:,} of {plural(pairs, 'pair')} of runs came out the same to the last bit."
    for dataset in comparison["datasets"]:
        if dataset["unlike"]:
            yield (
                f"{dataset['title']}: the data are not the same ({dataset['unlike']}), so accuracies are not paired, "
                "and their difference is also one of data."
            )
    changed_arms = defaultdict[str, list[str]](list)
    for row in arms:
        if not row["same_arm"]:
            changed_arms[", ".join(row["differs"]) or "data, learner, optimizer, budget or precision"].append(_arm(row))
    for words, what in changed_arms.items():
        yield f"Same name, another arm: {', '.join(what)} ({words})."
    if changed_code := sorted({part for row in arms for part in row["other_code"]}):
        yield f"The two sides ran other code: of {', '.join(changed_code)}."
    for reason, n in Counter(row["seconds_refused"] for row in arms if row["seconds_refused"]).items():
        yield f"Seconds are not compared for {n} of {plural(len(arms), 'arm')}: {reason}."
    for side in "ab":
        only = comparison[f"only_{side}"]
        if only:
            yield f"Only in {side.upper()}: {', '.join(map(_arm, only))}."
    changed = [row for row in comparison["contrasts"] if row["changed"]]
    declared = sum(row["a"]["primary"] or row["b"]["primary"] for row in changed)
    yield (
        f"{len(changed)} of {plural(len(comparison['contrasts']), 'verdict')} changed, "
        f"{declared} of them declared on either side."
    )


def _arm(row: Row) -> str:
    label = row["label"] if row["rung"] == 1.0 else f"{row['label']} at {budget_share(row['rung'])}"
    return f"{label} on {'/'.join(filter(None, (row['dataset'], row['reference'])))}"


def section(comparison: Row) -> list[Block]:
    return [Items(list(lines(comparison))), *_tables(comparison), Prose(f"\n{KEY}", "sub")]


def _tables(comparison: Row) -> Iterator[Grid]:
    for kind, words in (("settings", "Settings that differ"), ("environment", "What they ran on")):
        rows = [
            [row["key"], *(NONE if row[side] is None else short(row[side], _VALUE) for side in "ab")]
            for row in comparison[kind]
        ]
        if rows:
            yield Grid(words, columns("name key; words A; words B"), rows, titled=True)
    groups = defaultdict[tuple[str, str], list[Row]](list)
    for row in comparison["arms"]:
        groups[row["dataset"], row["reference"]].append(row)
    titles = {row["name"]: row["title"] for row in comparison["datasets"]}
    for (dataset, reference), arms in groups.items():
        heading = titles[dataset] + (f", reference {reference}" if reference else "")
        yield Grid(heading, columns(_ARMS), [_accuracy(row) for row in arms], titled=True)
    declared = [comparison[side]["pays"] for side in "ab"]
    rows = [_contrast(row) for row in comparison["contrasts"] if any(at_declared_cost(row, pays) for pays in declared)]
    if rows:
        heads = "name strategy; words against; points in A; points in B; words A; words B; count "
        yield Grid("Verdicts", columns(heads), rows, titled=True)


def _accuracy(row: Row) -> list[Any]:
    how = {"paired": " p", "Welch": " w", None: ""}[row["method"]]
    seconds = row["seconds"]
    return [
        short(row["label"], _NAME) + (f" {row['rung']:.3g}" if row["rung"] < 1 else ""),
        *row["accuracy"],
        row["difference"],
        interval(row["ci_low"], row["ci_high"]) + how,
        f"{row['bit_equal']}/{row['n_pairs']}" if row["n_pairs"] else NONE,
        row["flops"]["marginal"],
        NONE if seconds is None else ratio(seconds["ratio"]) + ("" if seconds["source"] == "timing pass" else " i"),
    ]


def _contrast(row: Row) -> list[Any]:
    against = row["baseline"]
    if row["question"] == "pays":
        against += f", {COST_WORDS[row['cost']]}"
    verdicts = [worded(row[side]) for side in "ab"]
    mark = "!!" if row["changed"] and row["apart"] else "!" if row["changed"] else ""
    found = [row[side]["mean_difference"] for side in "ab"]
    return [short(row["strategy"], _NAME), short(against, 2 * _NAME), *found, *verdicts, mark]
