"""What ``selbench compare`` says: what is unlike, then the difference of each arm, then the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..blocks import Block, Grid, Items, Prose, columns
from ..numbers import COST_WORDS, NONE, budget_share, interval, plural, ratio, worded
from ..text import short

_NAME = 14
_VALUE = 80

Row = Mapping[str, Any]

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
    """``A: quick (128 runs); B: mine (64 runs)``."""
    return "; ".join(
        f"{side.upper()}: {of['folder']} ({of['name']}, {plural(of['cells']['done'], 'run')})"
        for side, of in ((side, comparison[side]) for side in "ab")
    )


def lines(comparison: Row) -> Iterator[str]:
    """What must be known before a number is read."""
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
    for words, what in _changed_arms(arms).items():
        yield f"Same name, another arm: {', '.join(what)} ({words})."
    yield from _seconds(arms)
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


def _changed_arms(arms: list[Row]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for row in arms:
        if not row["same_arm"]:
            words = ", ".join(row["differs"]) or "data, learner, optimizer, budget or precision"
            groups.setdefault(words, []).append(_arm(row))
    return groups


def _seconds(arms: list[Row]) -> Iterator[str]:
    refused: dict[str, int] = {}
    for row in arms:
        if row["seconds_refused"]:
            refused[row["seconds_refused"]] = refused.get(row["seconds_refused"], 0) + 1
    for reason, n in refused.items():
        yield f"Seconds are not compared for {n} of {plural(len(arms), 'arm')}: {reason}."


def _arm(row: Row) -> str:
    label = row["label"] if row["rung"] == 1.0 else f"{row['label']} at {budget_share(row['rung'])}"
    return f"{label} on {'/'.join(filter(None, (row['dataset'], row['reference'])))}"


def section(comparison: Row) -> list[Block]:
    """What must be known first, each table, and the key to them."""
    return [Items(list(lines(comparison))), *_tables(comparison), Prose(f"\n{KEY}", "sub")]


def _tables(comparison: Row) -> Iterator[Grid]:
    for kind, words in (("settings", "Settings that differ"), ("environment", "What they ran on")):
        rows = [[row["key"], *(_value(row[side]) for side in "ab")] for row in comparison[kind]]
        if rows:
            yield Grid(words, columns("name key; words A; words B"), rows, titled=True)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in comparison["arms"]:
        groups.setdefault((row["dataset"], row["reference"]), []).append(row)
    titles = {row["name"]: row["title"] for row in comparison["datasets"]}
    for (dataset, reference), arms in groups.items():
        heading = titles[dataset] + (f", reference {reference}" if reference else "")
        yield Grid(heading, columns(_ARMS), [_accuracy(row) for row in arms], titled=True)
    rows = [_contrast(row) for row in comparison["contrasts"] if _told(comparison, row)]
    if rows:
        heads = "name strategy; words against; points in A; points in B; words A; words B; count "
        yield Grid("Verdicts", columns(heads), rows, titled=True)


def _value(value: str | None) -> str:
    return NONE if value is None else short(value, _VALUE)


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


def _told(comparison: Row, row: Row) -> bool:
    """Of the contrasts at equal cost, those at a cost that either side declared."""
    declared = [comparison[side]["pays"] for side in "ab"]
    return row["question"] != "pays" or any(
        all(row[name] == pays[name] for name in ("account", "cost", "ladder")) for pays in declared
    )


def _contrast(row: Row) -> list[Any]:
    against = row["baseline"]
    if row["question"] == "pays":
        against += f", {COST_WORDS[row['cost']]}"
    verdicts = [worded(row[side]) for side in "ab"]
    mark = "!!" if row["changed"] and row["apart"] else "!" if row["changed"] else ""
    found = [row[side]["mean_difference"] for side in "ab"]
    return [short(row["strategy"], _NAME), short(against, 2 * _NAME), *found, *verdicts, mark]
