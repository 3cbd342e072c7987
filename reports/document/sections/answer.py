"""The top of the report in plain English, made from the rows of the summary and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...effects.verdicts import INCONCLUSIVE, INFERIOR, NON_INFERIOR, SUPERIOR, WITHHELD, WORSE_WITHIN
from .. import numbers
from ..blocks import Block, Cell, Fold, Grid, Line, Prose, columns
from ..numbers import COST_WORDS, LADDER_WORDS, by_how_much, clock_words, pays_words, plural
from ..panels import Panel, Report, Row
from ..text import names
from .contrasts import deciding
from .costs import timed_answer
from .parts import page_only, verdict
from .run import state

_ACCURACY = {
    SUPERIOR: "better than full training",
    NON_INFERIOR: "non-inferior at a margin of {margin}",
    WORSE_WITHIN: "measurably worse, within the margin of {margin}",
    INFERIOR: "worse by more than the margin of {margin}",
    INCONCLUSIVE: "inconclusive at a margin of {margin}",
}
_PICKING = {
    SUPERIOR: "its picks were better than as many random ones",
    NON_INFERIOR: (
        "its picks were not shown to be better than as many random ones, "
        "but no worse than the margin of {margin} allows"
    ),
    WORSE_WITHIN: "its picks were measurably worse than as many random ones, within the margin of {margin}",
    INFERIOR: "its picks were worse than as many random ones, by more than the margin of {margin}",
    INCONCLUSIVE: "whether its picks are as good as so many random ones stayed open",
}
_PAYS = {
    SUPERIOR: "at equal {cost} it was better than {ladder}",
    NON_INFERIOR: (
        "at equal {cost} it was not shown to be better than {ladder}, but no worse than the margin of {margin} allows"
    ),
    WORSE_WITHIN: "at equal {cost} it was measurably worse than {ladder}, within the margin of {margin}",
    INFERIOR: "at equal {cost} it was worse than {ladder}, by more than the margin of {margin}",
    INCONCLUSIVE: "whether it is as good as {ladder} at equal {cost} stayed open",
}
_OPEN = {
    "accuracy": "the comparison with full training",
    "picking": "the comparison of its picks with as many random ones",
    "pays": "the comparison with {ladder} at equal {cost}",
}


def points(value: float) -> str:
    """``1 point``, ``0.5 points``: a size without a sign."""
    return f"{value:g} point{'' if value == 1 else 's'}"


def number(value: float, *, sign: bool = False) -> str:
    """Two decimals, never ``-0.00``."""
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}" if sign and rounded else f"{rounded:.2f}"


def interval(row: Row) -> str:
    """``90 % CI -0.90 to 0.10``, with the confidence that the row's verdict was read at."""
    return f"{100 * row['confidence']:.3g} % CI {numbers.interval(row['ci_low'], row['ci_high'], number)}"


def difference(row: Row) -> str:
    """``+0.40 points (90 % CI ...)``."""
    return f"{number(row['mean_difference'], sign=True)} points ({interval(row)})"


def join(parts: Iterable[str], separator: str = "; ") -> str:
    """The parts that are not empty, joined."""
    return separator.join(part for part in parts if part)


def subject(row: Row) -> str:
    """The strategy's label, with its reference where it has one."""
    return f"{row['strategy']} (reference {row['reference']})" if row["reference"] else str(row["strategy"])


def _terms(row: Row) -> dict[str, str]:
    cost = f"{COST_WORDS[row['cost']]} ({row['account']})" if row["cost"] else ""
    ladder = f"{'full training' if row['ladder'] == 'full' else 'uniform picks'} with a budget to match"
    return {"margin": points(row["margin"]), "cost": cost, "ladder": ladder}


def clause(row: Row) -> str:
    """What one contrast found; begins with a small letter and takes the strategy as known."""
    terms, question, verdict = _terms(row), row["question"], row["verdict"]
    measured = row["ci_low"] is not None
    if verdict == WITHHELD or verdict.startswith("no verdict"):
        reason = verdict
        if verdict == WITHHELD:
            n = row["collapsed"]
            reason = f"the verdict is withheld, since {n} seed{'' if n == 1 else 's'} had a collapsed run"
        shown = f" gave {difference(row)}" if measured else ""
        return f"{_OPEN[question].format(**terms)}{shown}: {reason}"
    if question == "accuracy":
        found = _ACCURACY[verdict].format(**terms)
        return f"accuracy changed by {difference(row)} against full training: {found}{_to_settle(row)}"
    text = (_PICKING if question == "picking" else _PAYS)[verdict].format(**terms)
    return f"{text}, {difference(row)}{_head_start(row)}{_to_settle(row)}"


def _to_settle(row: Row) -> str:
    """What an inconclusive contrast would take, at a power of 80 % where there is no true difference."""
    needed, n, smallest = row["seeds_needed"], row["n_pairs"], row["smallest_margin"]
    if row["verdict"] != INCONCLUSIVE or needed is None:
        return ""
    if needed <= n:
        return f" ({needed} seeds would do were there no true difference: one near the margin takes more than {n})"
    return (
        f" (it would take {needed} seeds, were there no true difference; "
        f"{n} can show a margin of {points(round(smallest, 2))})"
    )


def _head_start(row: Row) -> str:
    above = row["above_ladder"]
    return f", though {above} of {row['n_pairs']} of its runs cost more than all of that ladder" if above else ""


def savings(row: Row, account: str) -> str:
    """What the strategy spent against full training, and the most that its scheme could save."""
    costs = row["costs"].get(account, {})
    clock = clock_words(**row["timing"])
    shown = [
        f"{number(costs[cost]['ratio'])} times the {text}"
        for cost, text in (("total_flops", f"total FLOPs ({account})"), ("wall_clock", f"seconds ({clock})"))
        if costs.get(cost)
    ]
    if not shown:
        return ""
    most = f", where this scheme could save {number(row['ceiling'])}-fold at most" if row["ceiling"] else ""
    return f"it spent {' and '.join(shown)} of full training{most}"


def answer(title: str, rows: Sequence[Row], account: str) -> str:
    """One sentence for each declared strategy on a data set, from the primary contrasts alone; the first names it.

    Parameters
    ----------
    title : str
        The data set's.
    rows : sequence of mappings
        Its primary contrasts, as in the summary.
    account : str
        In which the costs are named.
    """
    if not rows:
        return f"On {title}, no primary contrast was declared: every contrast is exploratory."
    order = ("accuracy", "picking", "pays")
    told: list[str] = []
    for name in dict.fromkeys(subject(row) for row in rows):
        own = sorted((row for row in rows if subject(row) == name), key=lambda row: order.index(row["question"]))
        clauses = []
        for row in own:
            clauses.append(clause(row))
            if row["question"] == "accuracy" and row["n_pairs"]:
                clauses.append(savings(row, account))
        told.append(f"{f'On {title}, with' if not told else 'With'} {name}, {join(clauses)}.")
    return " ".join(told)


def headline(answers: Mapping[str, str], rows: Sequence[Row], cells: Mapping[str, int]) -> str:
    """The report's first lines: the answer where there is one data set, a tally of verdicts where there are more."""
    if len(answers) == 1:
        text = next(iter(answers.values()))
    else:
        tally = {row["verdict"]: sum(other["verdict"] == row["verdict"] for other in rows) for row in rows}
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(tally.items(), key=lambda item: -item[1]))
        text = (
            f"Of {len(rows)} primary contrasts on {len(answers)} data sets: {verdicts}."
            if rows
            else "No primary contrast was declared: every contrast is exploratory."
        )
    absent = cells["planned"] - cells["done"]
    if absent:
        text += f" {absent} of {cells['planned']} planned runs {'is' if absent == 1 else 'are'} missing: preliminary."
    return text


_SHORT = 280
"""Characters of a study's answer that still stand in large type."""


def section(report: Report) -> list[Block]:
    """The answers to what was asked: of studies, of what was declared, and what else these runs say."""
    summary = report.summary
    if not summary["cells"]["done"]:
        return [
            Prose("No run has finished yet, so there is nothing to say about any strategy.", "lead"),
            state(summary),
        ]
    blocks: list[Block] = []
    for study in summary["studies"]:
        long = " long" if len(study["sentence"]) > _SHORT else ""
        blocks.append(page_only(Prose(study["question"], "question"), Prose(study["sentence"], f"lead{long}")))
    found = [(panel, rows) for panel in report.panels for rows in declared(panel) or [()]]
    found = [(panel, rows) for panel, rows in found if rows or not summary["studies"]]
    if len(found) <= 2:
        for panel, rows in found:
            blocks.append(Prose(lead(panel, rows), "lead"))
            blocks += [page_only(_cards(report, rows))] if rows else []
    else:
        blocks += [Prose(summary["headline"], "lead"), _declared(report, found)]
    details = [(panel, text) for panel in report.panels for text in _details(report, panel)]
    several = len(report.panels) > 1
    told = [
        Prose((f"{panel.title}. " if several else "") + text, "behind", data=report.keys(panel))
        for panel, text in details
    ]
    full = [Prose(text, "behind", data=report.keys(panel)) for panel in report.panels if (text := _long(report, panel))]
    blocks.append(Fold("In full, and what was not declared", [*full, *told], brief=told))
    return [*blocks, state(summary)]


def declared(panel: Panel) -> list[tuple[Row, ...]]:
    """The declared contrasts of each strategy of a panel."""
    by_strategy: dict[str, list[Row]] = {}
    for row in panel.contrasts:
        if row["primary"]:
            by_strategy.setdefault(row["strategy"], []).append(row)
    return list(map(tuple, by_strategy.values()))


def lead(panel: Panel, rows: Sequence[Row]) -> str:
    """Whether one declared strategy pays, in a sentence; or that none was declared."""
    if not rows:
        return f"On {panel.scope}, nothing was declared before the run: all is exploratory."
    strategy = rows[0]["strategy"]
    pays = next((row for row in rows if row["question"] == "pays"), None)
    if pays is None:
        return f"On {panel.scope}, whether {strategy} pays was not declared as a question."
    text = f"On {panel.scope}, {strategy} {pays_words(pays['verdict'])}"
    if pays["mean_difference"] is None:
        return f"{text}."
    cut = f"{LADDER_WORDS[pays['ladder']]}, cut to the same {COST_WORDS[pays['cost']]} ({pays['account']})"
    return f"{text}: {by_how_much(pays)} than {cut}."


def _cards(report: Report, rows: Sequence[Row]) -> Grid:
    asked = numbers.questions(report.matrix["budget"])
    lines = []
    for row in rows:
        question, compared = asked[row["question"]]
        cost = f" ({COST_WORDS[row['cost']]}, {row['account']})" if row["account"] else ""
        ends = "" if row["ci_low"] is None else f", {numbers.interval(row['ci_low'], row['ci_high'])}"
        found = Cell(numbers.points(row["mean_difference"]), under=f"points{ends}")
        lines.append((question, f"{row['strategy']} {compared}{cost}", found, verdict(row, deciding(row))))
    return Grid(
        "What was declared",
        columns("text question; text compared; text found; text verdict"),
        lines,
        style="cards",
    )


def _declared(report: Report, found: Sequence[tuple[Panel, Sequence[Row]]]) -> Grid:
    asked = numbers.questions(report.matrix["budget"])
    lines = []
    for panel, rows in found:
        look = report.looks.get(rows[0]["strategy"]) if rows else None
        head = Cell(rows[0]["strategy"] if rows else "nothing", under=panel.title, colour=look.colour if look else "")
        by_question = {row["question"]: _answered(row) for row in rows}
        cells = [by_question.get(question, Cell("not declared")) for question in asked]
        lines.append(Line([head, *cells], data=report.keys(panel)))
    heads = columns("name declared" + "".join(f"; verdict {words} / {compared}" for words, compared in asked.values()))
    return Grid("Table of what was declared", heads, lines, style="declared")


def _answered(row: Row) -> Cell:
    """A verdict with the difference that it is read off."""
    ends = numbers.interval(row["ci_low"], row["ci_high"])
    return verdict(row, f"{numbers.points(row['mean_difference'])}, {ends}", deciding(row))


def _long(report: Report, panel: Panel) -> str:
    """The summary's long answer for the panel's data set, told once: in its first panel that declares something."""
    mine = [other for other in report.panels if other.dataset is panel.dataset]
    first = next((other for other in mine if any(row["primary"] for row in other.contrasts)), None)
    return str(report.summary["answers"][panel.dataset["name"]]) if first is panel else ""


def _details(report: Report, panel: Panel) -> list[str]:
    return [text for text in (timed_answer(report.summary, panel), others(report, panel)) if text]


def others(report: Report, panel: Panel) -> str:
    """How the strategies that were not declared stand at equal cost, by where their intervals lie."""
    rows = [row for row in report.question(panel, "pays") if not row["primary"] and row["ci_low"] is not None]
    if not rows:
        return ""
    account, cost, ladder = report.pays
    sides = {
        "above": [row["strategy"] for row in rows if row["ci_low"] > 0],
        "below": [row["strategy"] for row in rows if row["ci_high"] < 0],
        "on both sides": [row["strategy"] for row in rows if row["ci_low"] <= 0 <= row["ci_high"]],
    }
    found = "; ".join(f"{len(labels)} {side} ({names(labels)})" for side, labels in sides.items() if labels)
    other = plural(len(rows), "other strategy", "other strategies")
    against = f"{LADDER_WORDS[ladder]} at equal {COST_WORDS[cost]} ({account})"
    return f"Not declared, so exploratory: where the intervals of {other} lie against {against}: {found}."
