"""The report's first tables in a terminal of 80 columns, and as plain lines where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..document.numbers import COST_WORDS, MINUS, NONE, brief, level, percent, points, ratio, share, tone
from ..document.panels import Panel, Row, panels_of
from ..document.sections.claims import counted, hints, judged, told
from ..document.sections.costs import saving_words, selection_words, source_words
from ..document.sections.learning_rates import edge_words, tuning_words
from ..document.sections.targets import reached_words
from ..document.text import clean, short
from ..records.folder import TIMED
from .console import say, shown
from .html import failure_rows

SAID = 10
"""Records left out that are named one by one."""

_NAME = 13
_STYLES = {"good": "green", "fair": "cyan", "bad": "red", "open": ""}


def print_summary(summary: Mapping[str, Any], console: Console, page: object = None) -> None:
    """Print the answer, and for each data set a table of its arms and one of what they cost.

    Parameters
    ----------
    summary : mapping
        As in ``summary.json``.
    console : rich.console.Console
    page : path, optional
        Where the page lies; printed last.

    Notes
    -----
    Names are never read as markup, and control characters in them never reach the terminal.
    """
    say(console, summary["headline"], style="bold")
    cells = summary["cells"]
    panels = [panel for panel in panels_of(summary) if any(arm["n"] for arm in panel.arms)]
    for panel in panels:
        _table(summary, panel, console)
        _costs(summary, panel, console)
        if words := reached_words(summary, panel):
            say(console, f"Cost to the accuracy of full training less the margin: {words}")
    if panels:
        console.print()
        _key(summary, console)
        say(console, " ".join(filter(None, (tuning_words(summary), edge_words(summary)))))
    for study in summary["studies"]:
        console.print()
        say(console, study["question"], style="bold")
        for line in study["sentence"].split("\n"):
            say(console, line)
    _claims(summary["claims"], console)
    lacking = ", ".join(f"{cells[what]} {what}" for what in ("failed", "missing", "unreadable") if cells.get(what))
    say(console, f"{cells['done']} of {cells['planned']} runs done" + (f"; {lacking}" if lacking else "") + ".")
    for row in failure_rows(summary):
        seeds = ", ".join(map(str, row["seeds"]))
        where = ", ".join(filter(None, (row["label"], row["dataset"], row["reference"])))
        say(console, f"  failed: {where} (seeds {seeds}): {row['error']}")
    for item in summary["unreadable"][:SAID]:
        say(console, f"  left out: {item['file']}: {item['reason']}")
    if len(summary["unreadable"]) > SAID:
        say(console, f"  and {len(summary['unreadable']) - SAID} more are left out: the report names them")
    if page is not None:
        say(console, f"Report: {page}", wrap=False)


def _claims(claims: Sequence[Row], console: Console) -> None:
    """How many claims of papers got which verdict, those that were judged, and what smaller runs hint at."""
    if not claims:
        return
    console.print()
    say(console, f"Claims of papers: {counted(claims)}{hints(claims)}.", style="bold")
    chosen = judged(claims)
    if not chosen:
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim", overflow="fold", ratio=1)
    table.add_column("measured", overflow="fold", ratio=1)
    for claim in chosen:
        style = _STYLES[tone(claim["verdict"])]
        texts = [(claim["verdict"], style), (clean(claim["title"]), ""), (told(claim), "")]
        table.add_row(*(shown(console, *text) for text in texts))
    console.print(table)


def _table(summary: Mapping[str, Any], panel: Panel, console: Console) -> None:
    matrix = summary["matrix"]
    note = f" ({clean(panel.dataset['note'])})" if panel.dataset["note"] else ""
    title = f"{clean(panel.title)}{note}: {clean(matrix['learner']['text'])}"
    console.print()
    say(console, title, style="bold")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("arm", overflow="ellipsis", no_wrap=True, max_width=_NAME)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("against full", justify="right", no_wrap=True)
    table.add_column("picking", justify="right", no_wrap=True)
    table.add_column("pays", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for arm in (*(arm for arm in panel.main_arms if arm["role"] != "strategy"), *panel.role("strategy")):
        if arm["n"]:
            table.add_row(*(shown(console, text, style) for text, style in _cells(panel, arm, matrix["pays"])))
    console.print(table)


def _costs(summary: Mapping[str, Any], panel: Panel, console: Console) -> None:
    """What each strategy cost against full training; with a timing pass, what that was in seconds and what it says."""
    arms = [arm for arm in panel.role("strategy") if arm["n"]]
    if panel.full is None or not arms:
        return
    account, timed = summary["matrix"]["pays"]["account"], summary["timing"]["source"] == TIMED
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("arm", overflow="ellipsis", no_wrap=True, max_width=_NAME)
    heads = ["FLOPs", "seconds", *(["faster"] if timed else []), "ceiling", "select,\nFLOPs", "select,\nseconds"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    if timed:
        table.add_column("at equal\nseconds", overflow="fold")
    for arm in arms:
        costs = [panel.relative_cost(arm, field, account) for field in ("total_flops", "seconds")]
        faster = [ratio((panel.speedup(arm) or {}).get("ratio"))] if timed else []
        shares = [share(arm["selection"][name]) for name in ("flops_share", "seconds_share")]
        texts = [short(arm["label"], _NAME), *map(ratio, costs), *faster, ratio(arm["ceiling"]), *shares]
        cells = [shown(console, text) for text in texts]
        if timed:
            pays = {**summary["matrix"]["pays"], "cost": "wall_clock"}
            cells.append(shown(console, *_verdict(next(iter(_paid(panel, arm, pays)), None))))
        table.add_row(*cells)
    console.print()
    source = source_words(summary, arms)
    alone = "Faster, ceiling: by a run alone, and the most" if timed else "Ceiling: the most"
    say(console, f"Costs, full training = 1, {account}; seconds ({source}). {alone} that its scheme allows in FLOPs.")
    console.print(table)
    say(console, " ".join(filter(None, (saving_words(summary, panel), selection_words(summary, panel)))))


def _paid(panel: Panel, arm: Row, pays: Mapping[str, str]) -> list[Row]:
    chosen = tuple(pays[key] for key in ("account", "cost", "ladder"))
    return [row for row in panel.of(arm, "pays") if (row["account"], row["cost"], row["ladder"]) == chosen]


def _key(summary: Mapping[str, Any], console: Console) -> None:
    levels = " or ".join(sorted({level(row) for row in summary["contrasts"]})) or NONE
    pays = summary["matrix"]["pays"]
    equal = f"the {pays['ladder']} ladder at equal {COST_WORDS[pays['cost']]}, {pays['account']}"
    say(
        console,
        f"Points of accuracy; \u00b1 95 % of the mean; [..] {levels}. picking: against as many random picks."
        f" pays, verdict: against {equal}. * declared; the rest, verdicts in brackets, is exploratory.",
        style="dim",
    )


def _cells(panel: Panel, arm: Row, pays: Mapping[str, str]) -> list[tuple[str, str]]:
    """Text and style of each cell of an arm's row."""
    accuracy = arm["accuracy"]
    half = "" if accuracy["ci_low"] is None else f" \u00b1{(accuracy['ci_high'] - accuracy['ci_low']) / 2:.2f}"
    rows = [panel.of(arm, "accuracy"), panel.of(arm, "picking"), _paid(panel, arm, pays)]
    against, picking, paying = (found[0] if found else None for found in rows)
    return [
        (short(arm["label"], _NAME), ""),
        (percent(accuracy["mean"]) + half, ""),
        (_difference(against, wide=True), ""),
        (_difference(picking), ""),
        (_difference(paying), ""),
        _verdict(paying),
    ]


def _verdict(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    text = brief(row["verdict"])
    return (text if row["primary"] else f"({text})"), _STYLES[tone(row["verdict"])]


def _difference(row: Row | None, *, wide: bool = False) -> str:
    if row is None or row["mean_difference"] is None:
        return ""
    text = points(row["mean_difference"]) + ("*" if row["primary"] else " ")
    if wide and row["ci_low"] is not None:
        text += f"[{_end(row['ci_low'])},{_end(row['ci_high'])}]"
    return text


def _end(value: float) -> str:
    text = f"{abs(value):.2f}"
    return text if value >= 0 or float(text) == 0 else MINUS + text
