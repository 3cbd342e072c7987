"""The tables of ``selbench scale``: could selection save time, where time and FLOPs go, how predictions held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..blocks import Column, Grid
from ..numbers import NARROW, NONE, count, duration, flops, ratio, seconds, share

PHASES = ("data", "score", "reference", "select", "train", "other")
_WORDS = ("figures", "1 %", "3 %", "10 %")
"""Columns of words, which may be broken into lines."""


def _grid(heading: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Grid:
    kinds = ["name", *("words" if head in _WORDS else "number" for head in heads[1:])]
    return Grid(heading, list(map(Column, heads, kinds)), list(rows), titled=True)


def title(table: Mapping[str, Any]) -> str:
    return str(table["workload"]["title"] if "workload" in table else table["check"]["results"])


def tables(table: Mapping[str, Any], *, every: bool = False) -> Iterator[Grid]:
    """Each table, the last column saying where its figures are from.

    Unless ``every`` detail is wanted, phases are shown for the first batch alone and break-even costs in time alone.
    """
    for place, entry in enumerate(table.get("batches", [])):
        batch = f"B = {entry['batch']:,}"
        extra = ["could save above, FLOPs"] if every else []
        yield _grid(
            f"{table['workload']['title']}, {batch}: could it save time?",
            ["strategy", "time", "speed-up", "in FLOPs", "select", "could save above", *extra, "figures"],
            [_saves(arm, every) for arm in entry["arms"]],
        )
        if place == 0 or every:
            # Outside the phases no FLOPs are counted.
            for unit, name, phases in (("seconds", "Time", PHASES), ("flops", "FLOPs", PHASES[:-1])):
                heads = ["strategy", *phases, "artefacts", "figures"]
                rows = [_phases(arm, unit, phases) for arm in entry["arms"]]
                yield _grid(f"{name} of the whole run by phase, {batch}", heads, rows)
    if "sweep" in table:
        shares, passes = table["sweep"]["shares"], table["sweep"]["passes"]
        yield _grid(
            "Candidate batches at which select takes 1, 3 and 10 % of the time",
            ["strategy", "1 %", "3 %", "10 %", "figures"],
            [[label, *map(_passes, passes[label].values()), _range(found)] for label, found in shares.items() if found],
        )
    if "check" in table:
        check = table["check"]
        source = "timing pass" if check["timed"] else "ordinary cells"
        head = ["arm", *PHASES[:-1], "predicted", "measured", "ratio"]
        rows = [_checked(row) for row in check["rows"]]
        if all(row["basis"] == "measured" for row in check["rows"]):
            source += "; every operation measured here"
        else:
            head.append("figures")
            rows = [[*cells, row["basis"]] for cells, row in zip(rows, check["rows"], strict=True)]
        yield _grid(f"Predicted over measured seconds, {check['results']} ({source})", head, rows)


def _saves(arm: Mapping[str, Any], every: bool) -> list[str]:
    even, speed, most = arm["break_even"], arm["speed_up"]["amortised"], arm["ceiling"]
    if not arm["curve"]:  # full training itself
        middle = [NONE] * (5 if every else 4)
    else:
        of = [f"{speed[unit]:.2f} of {ratio(most[unit])}" for unit in ("seconds", "flops")]
        middle = [*of, share(arm["select_share"]), _above(even, "seconds")]
        middle += [_above(even, "flops")] if every else []
    return [arm["label"], span(arm["seconds"]["amortised"]), *middle, arm["basis"]]


def _above(even: Mapping[str, float] | None, unit: str) -> str:
    if even is None:
        return "never"
    if not even["times"]:
        return "anything"
    return duration(even["seconds"]) if unit == "seconds" else flops(even["flops"])


def _phases(arm: Mapping[str, Any], unit: str, phases: Sequence[str]) -> list[str]:
    cells = [arm["phases"][phase][unit] for phase in phases] + [arm["artefacts"][unit]]
    words = (NONE if not cell else span(cell) if unit == "seconds" else flops(cell) for cell in cells)
    return [arm["label"], *(word.removesuffix("FLOP") for word in words), arm["basis"]]


def span(value: float) -> str:
    """``3.2 µs``, ``12.3 s``, ``4.1 min``, ``26.7 h``, ``9,132 h``."""
    if value < 99.95:
        return seconds(value) if value >= 0.01 or value == 0 else duration(value)
    if value < 5999.5:
        return f"{value / 60:.1f}{NARROW}min"
    return f"{value / 3600:,.{1 if value < 3_599_000 else 0}f}{NARROW}h"


def _passes(passed: Mapping[str, Any]) -> str:
    if not passed["crossings"]:
        return "at every B" if passed["first"] else "at no B"
    words = {"rises": "from B \u2248 {}", "falls": "up to B \u2248 {}"}
    return ", ".join(words[way].format(count(float(f"{at:.2g}"))) for at, way in passed["crossings"])


def _range(points: Sequence[Sequence[Any]]) -> str:
    known = [size for size, _, _, basis in points if basis == "measured"]
    if not known:
        return f"extrapolated at every B from {points[0][0]:,} to {points[-1][0]:,}"
    inside = f"measured from {known[0]:,} to {known[-1]:,}"
    return inside if len(known) == len(points) else f"{inside}, extrapolated beyond, to {points[-1][0]:,}"


def _checked(row: Mapping[str, Any]) -> list[str]:
    cells = []
    for phase in PHASES[:-1]:
        measured, predicted = row["measured"][phase], row["predicted"][phase]
        # A phase of less than a hundredth of the run says nothing about the prediction.
        cells.append(ratio(predicted / measured) if measured > 0.01 * row["seconds"]["measured"] else NONE)
    name = row["label"] if row["rung"] == 1 else f"{row['label']} at {row['rung']:g}"
    whole = [span(row["seconds"][what]) for what in ("predicted", "measured")]
    return [name, *cells, *whole, ratio(row["ratio"])]


def remarks(table: Mapping[str, Any]) -> Iterator[str]:
    if "workload" in table:
        workload, device = table["workload"], table["device"]
        if device["kind"] == "profile":
            yield f"Device: stated profile {device['name']} ({device['source']}); nothing was measured here."
        else:
            name = device["cpu"] if device["device"] == "cpu" else device["device"]
            yield f"Device: {name}, {device['threads']} threads, {device['precision']}, torch {device['torch']}."
            if device["busy"]:
                yield f"Note: {device['busy']}."
        learner, reference = workload["learner_text"], workload["reference_text"]
        yield f"Learner: {learner}. Reference: {reference}; d = {workload['features']}."
        yield (
            "Against full training at equal passes, artefacts shared by "
            f"{workload['amortise_over']} runs; '1.20 of 1.88' is the speed-up and its ceiling. Accuracy is another "
            "question. 'could save above': what training on an image must cost for the run to take less time than full "
            "training. Losses are taken to come from the reference's own head."
        )
    if "check" in table:
        check = table["check"]
        hits = sum(abs(row["ratio"] - 1) <= check["target"] for row in check["rows"])
        worst = max(check["rows"], key=lambda row: abs(row["ratio"] - 1))
        yield (
            f"{hits} of {len(check['rows'])} arms within {share(check['target'])}; "
            f"the furthest is {worst['label']} at {ratio(worst['ratio'])}."
        )
        yield from (f"Note: {text}." for text in check["notes"])
