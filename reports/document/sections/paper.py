"""The report's tables as a paper prints them: narrow, each with a caption that stands for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..blocks import Column, Grid, Line, columns
from ..numbers import COST_WORDS, interval, percent, points, ratio, share, worded
from ..panels import ACCOUNTS, Panel, Row, at_declared_cost, panels_of
from ..text import short
from .answer import points as in_points
from .claims import touched
from .parts import seconds_from
from .studies import typed

_NAME = 40


def tables(summary: Mapping[str, Any]) -> list[Grid]:
    """Of studies; accuracy and costs of each panel; what was declared; pooled effects; and claims that were heard."""
    panels = [panel for panel in panels_of(summary) if any(arm["n"] for arm in panel.arms)]
    studies = [
        typed(
            table,
            key=f"study-{number}-{place}",
            title=" ".join(filter(None, (study["question"], f"{table['title']}.", table["note"]))),
        )
        for number, study in enumerate(summary["studies"], 1)
        for place, table in enumerate(study["tables"], 1)
    ]
    found = [*studies, *(_main(summary, panel) for panel in panels)]
    declared = [row for row in summary["contrasts"] if row["primary"]]
    found += [_declared(summary, declared)] if declared else []
    pays = summary["matrix"]["pays"]
    pooled = [row for row in summary["pooled"] if at_declared_cost(row, pays)]
    found += [_pooled(summary, pooled)] if pooled else []
    found += [_costs(summary, panel) for panel in panels if panel.full]
    claims = touched(summary["claims"])
    return [*found, *([_claims(summary, claims)] if claims else [])]


def _main(summary: Row, panel: Panel) -> Grid:
    matrix, account = summary["matrix"], summary["matrix"]["pays"]["account"]
    caption = (
        f"{panel.scope}: accuracy and cost. {matrix['learner']['text']}; {len(matrix['seeds'])} seeds.\n"
        "Accuracy: mean and standard deviation over seeds, in per cent. Difference to full training at equal passes in "
        f"points, with its interval; verdict at a margin of {in_points(panel.dataset['margin'])}.\n"
        f"Costs relative to full training, {account} account; seconds: {seconds_from(summary)}."
    )
    heads = "name arm; percent accuracy; points difference to full; text verdict; ratio FLOPs; ratio seconds"
    rows = []
    for arm in panel.main_arms:
        if arm["n"]:
            row = next(iter(panel.of(arm, "accuracy")), None)
            accuracy = f"{percent(arm['accuracy']['mean'])} \u00b1 {percent(arm['accuracy']['sd'])}"
            spent = [ratio(panel.relative_cost(arm, field, account)) for field in ("total_flops", "seconds")]
            rows.append((short(arm["label"], _NAME), accuracy, _difference(row), worded(row) if row else "", *spent))
    return Grid(caption, columns(heads), rows, key=f"main-{panel.key}")


def _declared(summary: Row, declared: list[Row]) -> Grid:
    matrix = summary["matrix"]
    caption = (
        f"{matrix['title']}: the contrasts that were declared before the run. Differences in points of test accuracy, "
        "strategy minus baseline, with the interval that the verdict is read off;\n"
        "p of non-inferiority and of superiority (one-sided), and of non-inferiority after Holm over the declared "
        "contrasts of a data set; n: pairs. Cost twin: full training of equal cost, "
        f"{matrix['pays']['account']} account."
    )
    heads = "name strategy; words against; count n; points difference; p no worse; p better; p Holm; text verdict"
    titles = {dataset["name"]: dataset["title"] for dataset in matrix["datasets"]}
    rows: list[Any] = []
    for dataset, found in groupby(sorted(declared, key=itemgetter("dataset")), itemgetter("dataset")):
        rows.append(Line([titles[dataset]], "heading"))
        for row in found:
            ps = (row[field] for field in ("p_noninferior", "p_superior", "p_adjusted"))
            rows.append((*_contrast(summary, row, row["n_pairs"]), *ps, worded(row)))
    return Grid(caption, _wide(columns(heads), 0.16), rows, key="declared", style="dense")


def _pooled(summary: Row, pooled: list[Row]) -> Grid:
    account = summary["matrix"]["pays"]["account"]
    caption = (
        f"{summary['matrix']['title']}: effects over data sets, each counting alike (a fixed effect: of these "
        "data sets alone; sets: how many). Differences in points with their interval;\n"
        "chance that a run of the strategy is better than its partner, with its interval; total FLOPs relative to the "
        f"baseline, geometric mean, {account} account. Ladders: at equal cost in that account."
    )
    heads = "name strategy; words against; count sets; points difference; p p; share better in; ratio FLOPs"
    rows = []
    for row in pooled:
        chance = _bracketed(row["probability_of_improvement"], "estimate", share)
        spent = (row["costs"][account]["total_flops"] or {}).get("ratio")
        rows.append((*_contrast(summary, row, row["n_datasets"]), row["p_superior"], chance, spent))
    return Grid(caption, _wide(columns(heads), 0.16), rows, key="pooled", style="dense")


def _costs(summary: Row, panel: Panel) -> Grid:
    shared = f"{summary['matrix']['amortise_over']:g}"
    caption = (
        f"{panel.title}: what a run cost, relative to full training. FLOPs of the learner alone, and of everything in "
        f"three accounts: marginal (artefacts free), amortised (shared among {shared} runs), standalone (charged "
        "whole);\nceiling: the largest speed-up that the scoring scheme allows; select: the share of selection in the "
        f"FLOPs of a run. Seconds: {seconds_from(summary)}."
    )
    accounts = "ratio marg.; ratio amort.; ratio stand."
    heads = [
        *columns("name arm; ratio learner FLOPs"),
        *columns(accounts, group="total FLOPs"),
        *columns("ratio ceiling; share select"),
        *columns(accounts, group="seconds"),
    ]
    rows = []
    for arm in (arm for arm in panel.main_arms if arm["n"]):
        flops, seconds = (
            [panel.relative_cost(arm, field, account) for account in ACCOUNTS] for field in ("total_flops", "seconds")
        )
        learner, select = panel.relative_cost(arm, "learner_flops", None), arm["selection"]["flops_share"]
        rows.append((short(arm["label"], _NAME), learner, *flops, arm["ceiling"], select, *seconds))
    return Grid(caption, heads, rows, key=f"costs-{panel.key}", style="dense")


def _claims(summary: Row, claims: list[Row]) -> Grid:
    caption = (
        f"{summary['matrix']['title']}: published claims beside what was measured here. Of {len(summary['claims'])} "
        f"encoded, those {len(claims)} that these runs speak to; the others were not run at their conditions, or are "
        "out of scope."
    )
    heads = _wide(columns("words claim; words verdict; words why"), 0.33, 0.19, 0.40)
    rows = []
    for claim in claims:
        # Where smaller runs give an indication alone, that one, named as such.
        found, hint = (claim["verdict"], claim["reason"]), claim["indication"]
        said = (f"{claim['verdict']}; smaller runs: {hint['verdict']}", hint["text"]) if hint else found
        rows.append((f"{claim['title']} ({claim['source']['paper']})", *said))
    return Grid(caption, heads, rows, key="claims")


def _wide(columns: list[Column], *widths: float) -> list[Column]:
    left = iter(widths)
    return [replace(column, width=next(left)) if column.kind == "words" else column for column in columns]


def _contrast(summary: Row, row: Row, number: int) -> tuple[Any, ...]:
    """Strategy, with its reference where there are several; the question in a few words; how many; the difference."""
    several = len({row["reference"] for row in summary["contrasts"]} - {""}) > 1
    reference = f" ({short(row['reference'], _NAME)})" if row["reference"] and several else ""
    asked = {"accuracy": "full training", "picking": "random picks"}
    against = asked.get(row["question"]) or f"{row['ladder']} ladder, {COST_WORDS[row['cost']]}"
    return short(row["strategy"], _NAME) + reference, against, number, _difference(row)


def _difference(row: Row | None) -> str:
    return _bracketed(row if row and row["mean_difference"] is not None else None, "mean_difference", points)


def _bracketed(found: Row | None, field: str, shown: Callable[[float], str]) -> str:
    if not found:
        return ""
    ends = interval(found["ci_low"], found["ci_high"], shown, " [{}, {}]")
    return shown(found[field]) + (ends if found["ci_low"] is not None else "")
