"""The report in short: the answer, and the first tables as they fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...records.folder import TIMED
from ..blocks import Block, Cell, Grid, Items, Part, Prose, columns
from ..numbers import COST_WORDS, NONE, error, interval, level, percent, points, tone, worded
from ..panels import Panel, Row, at_equal_cost, panels_of
from . import claims
from .contrasts import looks_words
from .costs import saving_words, selection_words, source_words
from .learning_rates import edge_words, tuning_words
from .parts import chance_words
from .run import failure_rows
from .targets import reached_words

SAID = 10
"""Records left out that are named one by one."""


def blocks(summary: Mapping[str, Any]) -> list[Block]:
    """The answer, for each data set its arms and what they cost, studies, claims, and what is lacking."""
    panels = [panel for panel in panels_of(summary) if any(arm["n"] for arm in panel.arms)]
    found: list[Block] = [Prose(text, "warn") for text in summary["training"]["said"]]
    found.append(Prose(summary["headline"], "lead"))
    for panel in panels:
        found += [arms(summary, panel), *chance(summary, panel), *_costs(summary, panel)]
        if words := reached_words(summary, panel):
            found.append(Prose(f"Cost to the accuracy of full training less the margin: {words}"))
    if panels:
        tuned = " ".join(filter(None, (tuning_words(summary), edge_words(summary))))
        found += [Prose("\n" + key(summary), "sub"), Prose(tuned)]
        found += [Prose(words)] if (words := looks_words(summary)) else []
    found += [Part(study["question"], [Prose(study["sentence"])]) for study in summary["studies"]]
    return [*found, *_claims(summary["claims"]), *_lacking(summary)]


def arms(summary: Row, panel: Panel, named: Callable[[Row], Cell] | None = None) -> Grid:
    """Each arm with its accuracy and its three differences; ``named`` gives the cell of its name."""
    matrix = summary["matrix"]
    shown = [arm for arm in panel.main_arms if arm["role"] != "strategy"] + panel.role("strategy")
    heads = columns("name arm; points accuracy; points against / full; points picking; points pays; verdict verdict")
    rows = []
    for arm in (arm for arm in shown if arm["n"]):
        accuracy = arm["accuracy"]
        half = "" if accuracy["ci_low"] is None else f" \u00b1{(accuracy['ci_high'] - accuracy['ci_low']) / 2:.2f}"
        against, picking = (next(iter(panel.of(arm, question)), None) for question in ("accuracy", "picking"))
        paying = _paid(panel, arm, matrix["pays"])
        differences = [_difference(against), _difference(picking), _difference(paying, wide=True)]
        rows.append(
            [named(arm) if named else arm["label"], percent(accuracy["mean"]) + half, *differences, _verdict(paying)]
        )
    return Grid(f"{panel.scope}: {matrix['learner']['text']}", heads, rows, titled=True)


def chance(summary: Row, panel: Panel) -> list[Block]:
    """What chance alone would find among the verdicts of the table of arms."""
    paying = (_paid(panel, arm, summary["matrix"]["pays"]) for arm in panel.role("strategy"))
    words = chance_words([row for row in paying if row])
    return [Prose(words)] if words else []


def _difference(row: Row | None, *, wide: bool = False) -> str:
    if row is None or row["mean_difference"] is None:
        return ""
    text = points(row["mean_difference"]) + ("*" if row["primary"] else " ")
    known = wide and row["ci_low"] is not None
    return text + (interval(row["ci_low"], row["ci_high"], error, "[{},{}]") if known else "")


def _verdict(row: Row | None) -> Cell:
    return Cell(worded(row), tone=tone(row["verdict"])) if row else Cell("")


def _paid(panel: Panel, arm: Row, pays: Row) -> Row | None:
    return next(iter(at_equal_cost(panel.of(arm, "pays"), pays)), None)


def _costs(summary: Row, panel: Panel) -> list[Block]:
    """What each strategy cost against full training; with a timing pass, what that was in seconds and what it says."""
    arms = [arm for arm in panel.role("strategy") if arm["n"]]
    if panel.full is None or not arms:
        return []
    pays, timed = summary["matrix"]["pays"], summary["timing"]["source"] == TIMED
    faster, verdicts = ("ratio faster; ", "; verdict at equal / seconds") if timed else ("", "")
    last = "ratio ceiling; share select, / FLOPs; share select, / seconds"
    heads = columns(f"name arm; ratio FLOPs; ratio seconds; {faster}{last}{verdicts}")
    rows = []
    for arm in arms:
        costs = [panel.relative_cost(arm, field, pays["account"]) for field in ("total_flops", "seconds")]
        spent = [*costs, *([(panel.speedup(arm) or {}).get("ratio")] if timed else []), arm["ceiling"]]
        shares = [arm["selection"][name] for name in ("flops_share", "seconds_share")]
        paid = _paid(panel, arm, {**pays, "cost": "wall_clock"})
        rows.append([arm["label"], *spent, *shares, *([_verdict(paid)] if timed else [])])
    alone = "Faster, ceiling: by a run alone, and the most" if timed else "Ceiling: the most"
    source = source_words(summary, arms)
    said = (
        f"\nCosts, full training = 1, {pays['account']}; seconds ({source}). {alone} that its scheme allows in FLOPs."
    )
    words = " ".join(filter(None, (saving_words(summary, panel), selection_words(summary, panel))))
    return [Prose(said), Grid("Costs", heads, rows), Prose(words)]


def key(summary: Row) -> str:
    levels = " or ".join(sorted({level(row) for row in summary["contrasts"]})) or NONE
    pays = summary["matrix"]["pays"]
    equal = f"full training of the same {COST_WORDS[pays['cost']]}, {pays['account']}"
    return (
        "Points of accuracy; \u00b1 95 % of the mean. picking: against as many random picks. pays: against "
        f"{equal}: its cost twin where it has one, else read off a ladder; with the interval [..] that the verdict is "
        f"read off ({levels}). "
        "* declared; the rest, verdicts in brackets, is exploratory."
    )


def _claims(found: Sequence[Row]) -> list[Block]:
    if not found:
        return []
    rows = []
    for claim in claims.judged(found):
        told = "; ".join(map(claims.measured, claims.leading(claim))) or NONE
        rows.append((Cell(claim["verdict"], tone=tone(claim["verdict"])), claim["title"], told))
    title = f"Claims of papers: {claims.counted(found)}{claims.hints(found)}."
    return [Part(title, [Grid("Claims", columns("text verdict; words claim; words measured"), rows)] if rows else [])]


def _lacking(summary: Row) -> list[Block]:
    cells = summary["cells"]
    lacking = ", ".join(f"{cells[what]} {what}" for what in ("failed", "missing", "unreadable") if cells.get(what))
    lines = []
    for *where, seeds, reason in failure_rows(summary):
        lines.append(f"  failed: {', '.join(filter(None, where))} (seeds {seeds}): {reason}")
    lines += [f"  left out: {item['file']}: {item['reason']}" for item in summary["unreadable"][:SAID]]
    if len(summary["unreadable"]) > SAID:
        lines.append(f"  and {len(summary['unreadable']) - SAID} more are left out: the report names them")
    done = f"{cells['done']} of {cells['planned']} runs done" + (f"; {lacking}" if lacking else "") + "."
    return [Prose(done), Items(lines)]
