"""The top of the report in plain English, made from the rows of the summary and from nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...effects.classes import behind
from ...effects.verdicts import (
    INCONCLUSIVE,
    INFERIOR,
    NON_INFERIOR,
    ONLY_HERE,
    SUPERIOR,
    WITHHELD,
    WORSE,
    WORSE_WITHIN,
)
from .. import numbers
from ..blocks import Beside, Block, Cell, Fold, Grid, Line, Prose, columns
from ..numbers import COST_WORDS, LADDER_WORDS, by_how_much, clock_words, pays_words, plural
from ..panels import Panel, Report, Row
from ..text import names
from . import short
from .contrasts import deciding, looks_words
from .costs import timed_answer
from .parts import Figures, figures_of, name, opening, page_only, verdict
from .run import state

_ACCURACY = {
    SUPERIOR: "better than full training",
    NON_INFERIOR: "non-inferior at a margin of {margin}",
    WORSE_WITHIN: "measurably worse, within the margin of {margin}",
    WORSE: "worse, whether by more than the margin of {margin} is open",
    INFERIOR: "worse by more than the margin of {margin}",
    ONLY_HERE: "non-inferior at a margin of {margin} on these test images only",
    INCONCLUSIVE: "inconclusive at a margin of {margin}",
}
_PICKING = {
    SUPERIOR: "its picks were better than as many random ones",
    NON_INFERIOR: (
        "its picks were not shown to be better than as many random ones, "
        "but no worse than the margin of {margin} allows"
    ),
    WORSE_WITHIN: "its picks were measurably worse than as many random ones, within the margin of {margin}",
    WORSE: "its picks were worse than as many random ones, whether by more than the margin of {margin} is open",
    INFERIOR: "its picks were worse than as many random ones, by more than the margin of {margin}",
    ONLY_HERE: "on these test images only, its picks were no worse than the margin of {margin} allows",
    INCONCLUSIVE: "whether its picks are as good as so many random ones stayed open",
}
_PAYS = {
    SUPERIOR: "it was better than full training of the same {cost}",
    NON_INFERIOR: (
        "it was not shown to be better than full training of the same {cost}, "
        "but no worse than the margin of {margin} allows"
    ),
    WORSE_WITHIN: "it was measurably worse than full training of the same {cost}, within the margin of {margin}",
    WORSE: "it was worse than full training of the same {cost}, whether by more than the margin of {margin} is open",
    INFERIOR: "it was worse than full training of the same {cost}, by more than the margin of {margin}",
    ONLY_HERE: (
        "on these test images only, it was no worse than full training of the same {cost}, at a margin of {margin}"
    ),
    INCONCLUSIVE: "whether it is as good as full training of the same {cost} stayed open",
}
_OPEN = {
    "accuracy": "the comparison with full training",
    "picking": "the comparison of its picks with as many random ones",
    "pays": "the comparison with full training of the same {cost}",
}


def points(value: float) -> str:
    return f"{value:g} point{'' if value == 1 else 's'}"


def number(value: float, *, sign: bool = False) -> str:
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}" if sign and rounded else f"{rounded:.2f}"


def difference(row: Row) -> str:
    """``+0.40 points (90 % CI -0.10 to 0.90)``, with the confidence that the row's verdict was read at."""
    ends = numbers.interval(row["ci_low"], row["ci_high"], number)
    return f"{number(row['mean_difference'], sign=True)} points ({100 * row['confidence']:.3g} % CI {ends})"


def clause(row: Row) -> str:
    """What one contrast found; begins with a small letter and takes the strategy as known."""
    return "; ".join((_found(row), *behind(row["verdict"], row["ci_low"], row.get("worst_class"))))


def _found(row: Row) -> str:
    question, verdict = row["question"], row["verdict"]
    cost = f"{COST_WORDS[row['cost']]} ({row['account']})" if row["cost"] else ""
    terms = {"margin": points(row["margin"]), "cost": cost}
    if verdict == WITHHELD or verdict.startswith("no verdict"):
        withheld = f"the verdict is withheld, since {plural(row['collapsed'], 'seed')} had a collapsed run"
        reason = withheld if verdict == WITHHELD else verdict
        shown = "" if row["ci_low"] is None else f" gave {difference(row)}"
        return f"{_OPEN[question].format(**terms)}{shown}: {reason}"
    if question == "accuracy":
        found = _ACCURACY[verdict].format(**terms)
        return f"accuracy changed by {difference(row)} against full training: {found}{_to_settle(row)}"
    text = (_PICKING if question == "picking" else _PAYS)[verdict].format(**terms)
    return f"{text}, {difference(row)}{_to_settle(row)}"


def _to_settle(row: Row) -> str:
    """What an open contrast would take, at a power of 80 %: at no true difference, and at the measured one."""
    none, measured, smallest = row["seeds_needed"], row["seeds_needed_measured"], row["smallest_margin"]
    n = row["n_pairs"]
    if row["verdict"] == WORSE:
        return "" if measured is None else f" ({measured} seeds would tell, if the true difference is this one)"
    if row["verdict"] != INCONCLUSIVE or none is None:
        return ""
    if (after := row.get("looks", {}).get("next")) is not None:
        return f" (the next declared look takes {after} seeds)"
    known = "no number of" if measured is None else f"{measured}"
    return (
        f" (with looks in a new matrix, it would take {none} seeds if there is no true difference, "
        f"{known} seeds if it is this one; "
        f"{n} can show a margin of {points(round(smallest, 2))})"
    )


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


def answer(title: str, rows: Sequence[Row], account: str, undeclared: str = "") -> str:
    """One sentence for each declared strategy on a data set, from its primary contrasts alone; the first names it.

    ``undeclared`` says why what was declared is exploratory, where it is.
    """
    if not rows and undeclared:
        return f"On {title}, what was declared is {undeclared}."
    if not rows:
        return f"On {title}, no primary contrast was declared: every contrast is exploratory."
    told = defaultdict[str, list[str]](list)
    for row in sorted(rows, key=lambda row: ("accuracy", "picking", "pays").index(row["question"])):
        saved = savings(row, account) if row["question"] == "accuracy" and row["n_pairs"] else ""
        told[_subject(row)] += filter(None, (clause(row), saved))
    names = dict.fromkeys(map(_subject, rows))
    return f"On {title}, w" + " W".join(f"ith {name}, {'; '.join(told[name])}." for name in names)


def _subject(row: Row) -> str:
    return f"{row['strategy']} (reference {row['reference']})" if row["reference"] else str(row["strategy"])


def headline(answers: Mapping[str, str], rows: Sequence[Row], cells: Mapping[str, int]) -> str:
    """The report's first lines: the answer where there is one data set, a tally of verdicts where there are more."""
    if len(answers) == 1:
        text = next(iter(answers.values()))
    else:
        tally = Counter(row["verdict"] for row in rows).most_common()
        text = f"Of {len(rows)} primary contrasts on {len(answers)} data sets: "
        text += ", ".join(f"{n} {verdict}" for verdict, n in tally) + "."
        text = text if rows else "No primary contrast was declared: every contrast is exploratory."
    absent = cells["planned"] - cells["done"]
    if absent:
        text += f" {absent} of {cells['planned']} planned runs {'is' if absent == 1 else 'are'} missing: preliminary."
    return text


_SHORT = 280
"""Characters of a study's answer that still stand in large type."""


def section(report: Report, figures: Figures) -> list[Block]:
    summary = report.summary
    if not summary["cells"]["done"]:
        none = Prose("No run has finished yet, so there is nothing to say about any strategy.", "lead")
        return [none, state(summary)]
    blocks: list[Block] = [Prose(text, "warn") for text in summary["training"]["said"]]
    opened = opening(summary)
    for number, study in enumerate(opened, 1):
        long = " long" if len(study["sentence"]) > _SHORT else ""
        asked = [Prose(study["question"], "question"), Prose(study["sentence"], f"lead{long}")]
        blocks.append(Fold("", asked, brief=[Prose(study["sentence"], "lead")]))
        blocks += figures_of(figures, f"study-{number}", None)[:1]
    found = [(panel, rows) for panel in report.panels for rows in declared(panel) or [()]]
    found = [(panel, rows) for panel, rows in found if rows or not opened]
    if len(found) <= 2:
        leads: list[Block] = []
        for panel, rows in found:
            leads.append(Prose(lead(panel, rows), "lead"))
            leads += [page_only(_cards(report, rows))] if rows else []
    else:
        leads = [Prose(summary["headline"], "lead"), _declared(report, found)]
    # A study opens on its sentence and its figure; what was declared of each rule is folded behind them.
    blocks += [Fold("What was declared", leads, brief=leads)] if opened and leads else leads
    blocks.append(_glance(report, figures))
    told, full, datasets = [], [], set[str]()
    for panel in report.panels:
        dataset, keys = panel.dataset["name"], report.keys(panel)
        if dataset not in datasets and any(row["primary"] for row in panel.contrasts):
            datasets.add(dataset)  # its long answer stands in its first panel that declares something
            full.append(Prose(summary["answers"][dataset], "behind", data=keys))
        before = f"{panel.title}. " if len(report.panels) > 1 else ""
        said = filter(None, (timed_answer(summary, panel), others(report, panel)))
        told += [Prose(before + text, "behind", data=keys) for text in said]
    # A study's short text is its answer: what nobody declared of its many arms stands in its tables.
    blocks.append(Fold("In full, and what was not declared", [*full, *told], brief=[] if opened else told))
    return [*blocks, state(summary)]


def _glance(report: Report, figures: Figures) -> Fold:
    """The figure of the differences, and for each panel the table of its arms: what a page prints beside the answer."""
    summary = report.summary
    filled = "Filled marks were declared before the run, hollow ones are exploratory. Shaded: losses within the margin."
    tables: list[Block] = []
    for panel in report.panels:
        if any(arm["n"] for arm in panel.arms):
            table = short.arms(summary, panel, lambda arm: name(report, arm))
            tables.append(replace(table, title=panel.scope, style="dense glance", data=report.keys(panel)))
            tables += short.chance(summary, panel)
    words = filter(None, (short.key(summary), looks_words(summary)))
    said = [Prose(text, "sub") for text in words]
    first, rest = tables[:2], tables[2:]
    more = [Fold("The other data sets and references", rest)] if rest else []
    shown = [*figures_of(figures, "overview", None, filled), Fold("", [*first, *said, *more])]
    title = "The three questions at a glance" if opening(summary) else ""
    return Fold(title, [Beside([shown[:-1], shown[-1:]], "pair asked")] if len(shown) > 1 else shown, "glance")


def declared(panel: Panel) -> list[tuple[Row, ...]]:
    by_strategy = defaultdict[str, list[Row]](list)
    for row in panel.contrasts:
        if row["primary"]:
            by_strategy[row["strategy"]].append(row)
    return list(map(tuple, by_strategy.values()))


def lead(panel: Panel, rows: Sequence[Row]) -> str:
    if not rows:
        return f"On {panel.scope}, nothing was declared before the run: all is exploratory."
    strategy = rows[0]["strategy"]
    pays = next((row for row in rows if row["question"] == "pays"), None)
    if pays is None:
        return f"On {panel.scope}, {_without_pays(rows[0])}."
    text = f"On {panel.scope}, {strategy} {pays_words(pays['verdict'])}"
    if pays["mean_difference"] is None:
        return f"{text}."
    cut = f"training on everything for the same {COST_WORDS[pays['cost']]} ({pays['account']})"
    return f"{text}: {by_how_much(pays)} than {cut}."


def _without_pays(row: Row) -> str:
    """The first declared contrast, where none asks whether it pays."""
    rival = "full training" if row["question"] == "accuracy" else "as many random picks"
    if row["mean_difference"] is None:
        return f"{row['strategy']} against {rival}: {row['verdict']}"
    return f"{row['strategy']} is {by_how_much(row)} than {rival}: {row['verdict']}"


def _cards(report: Report, rows: Sequence[Row]) -> Grid:
    asked = numbers.questions(report.matrix["budget"])
    lines = []
    for row in rows:
        question, compared = asked[row["question"]]
        cost = f" ({COST_WORDS[row['cost']]}, {row['account']})" if row["account"] else ""
        ends = "" if row["ci_low"] is None else f", {numbers.interval(row['ci_low'], row['ci_high'])}"
        found = Cell(numbers.points(row["mean_difference"]), under=f"points{ends}")
        lines.append((question, f"{row['strategy']} {compared}{cost}", found, verdict(row, deciding(row))))
    heads = columns("text question; text compared; text found; text verdict")
    return Grid("What was declared", heads, lines, style="cards")


def _declared(report: Report, found: Sequence[tuple[Panel, Sequence[Row]]]) -> Grid:
    asked = numbers.questions(report.matrix["budget"])
    lines = []
    for panel, rows in found:
        head = name(report, rows[0]) if rows else Cell("nothing")
        cells = [replace(head, under=panel.title), *[Cell("not declared")] * len(asked)]
        for row in rows:  # each verdict with the difference that it is read off
            read = f"{numbers.points(row['mean_difference'])}, {numbers.interval(row['ci_low'], row['ci_high'])}"
            cells[1 + list(asked).index(row["question"])] = verdict(row, read, deciding(row))
        lines.append(Line(cells, data=report.keys(panel)))
    heads = columns("name declared" + "".join(f"; verdict {words} / {compared}" for words, compared in asked.values()))
    return Grid("Table of what was declared", heads, lines, style="declared")


def others(report: Report, panel: Panel) -> str:
    """How the strategies that were not declared stand at equal cost, by where their intervals lie."""
    rows = [row for row in report.question(panel, "pays") if not row["primary"] and row["ci_low"] is not None]
    if not rows:
        return ""
    account, cost, ladder = report.pays
    sides: dict[str, list[str]] = {"above": [], "below": [], "on both sides": []}
    for row in rows:
        side = "above" if row["ci_low"] > 0 else "below" if row["ci_high"] < 0 else "on both sides"
        sides[side].append(row["strategy"])
    found = "; ".join(f"{len(labels)} {side} ({names(labels)})" for side, labels in sides.items() if labels)
    other = plural(len(rows), "other strategy", "other strategies")
    how = "" if all(row["ladder"] is None for row in rows) else ", read off its ladder where there is no cost twin"
    against = f"{LADDER_WORDS[ladder]} for the same {COST_WORDS[cost]} ({account}{how})"
    return f"Not declared, so exploratory: where the intervals of {other} lie against {against}: {found}."
