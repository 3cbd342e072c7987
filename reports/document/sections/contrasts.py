"""The three questions to every strategy: differences, verdicts, what would decide them, and other tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..blocks import Beside, Block, Cell, Fold, Grid, Line, Part, Prose, columns
from ..numbers import COST_WORDS, NARROW, NONE, count, error, interval, level, p_value, plural, points, questions
from ..panels import ACCOUNTS, Panel, Report, Row
from .parts import Figures, accounts, against, by_panel, estimated, figures_of, name, short_verdict, worst_seed

_INTERVALS = {"t": "paired t", "sign-flip": "inverted sign-flip tests"}


def to_decide(row: Row) -> str:
    """What an inconclusive contrast would take; empty for any other.

    Both numbers are for a power of 80 % where the true difference is 0; a difference near the margin takes more.
    """
    if row["verdict"] != "inconclusive" or row["mean_difference"] is None:
        return ""
    needed, smallest, there = row["seeds_needed"], row["smallest_margin"], row["n_pairs"]
    could = "" if smallest is None else f"{plural(there, 'seed')} can show a margin of {smallest:.2g}"
    if needed is None:
        return could
    if needed <= there:
        return "more seeds: the difference lies near the margin"
    return f"{count(needed)} seeds" + (f"; {could}" if could else "")


def interval_words(contrasts: Iterable[Row]) -> str:
    """By which test intervals and *p* were made: ``paired t``, or what the matrix declared instead."""
    kinds = {row.get("interval", "t") for row in contrasts}
    return " and ".join(_INTERVALS[kind] for kind in sorted(kinds)) or _INTERVALS["t"]


def seed_error(row: Row) -> float | None:
    """Standard error in points that the choice of seeds gives to the mean difference."""
    return None if row["sd"] is None or not row["n_pairs"] else row["sd"] / math.sqrt(row["n_pairs"])


def changed(found: Row) -> str:
    """One seed of McNemar's test: ``+12 −9, p .664``."""
    return f"+{found['gained']:,} \u2212{found['lost']:,}, p{NARROW}{p_value(found['p'])}"


def _parts(row: Row) -> list[str]:
    return [part for part in row["note"].split("; ") if part]


def shared_notes(rows: Sequence[Row]) -> list[str]:
    """Remarks that all of several rows carry, to be told once."""
    return [part for part in _parts(rows[0]) if len(rows) > 1 and all(part in _parts(row) for row in rows)]


def own_notes(row: Row, shared: Sequence[str]) -> str:
    """The remarks of a row that are not shared."""
    return "; ".join(part for part in _parts(row) if part not in shared)


def opinions(rows: list[Row]) -> list[Row]:
    """The contrasts that have pairs to be tested in another way."""
    return [row for row in rows if row["mean_difference"] is not None and row["n_pairs"] > 1]


def seeds_of(rows: list[Row]) -> list[int]:
    """The seeds at which any of ``rows`` was compared image by image."""
    return sorted({found["seed"] for row in rows for found in row.get("mcnemar") or ()})


def at_seed(row: Row, seed: int) -> str:
    """What McNemar's test says of one seed, or a dash."""
    return next((changed(found) for found in row.get("mcnemar") or () if found["seed"] == seed), NONE)


def section(report: Report, figures: Figures) -> Part:
    """Each question with its contrasts, panel by panel."""
    asked = questions(report.matrix["budget"]).items()
    parts = [_question(report, figures, number, question, words) for number, (question, words) in enumerate(asked, 1)]
    rows = report.summary["contrasts"]
    said = (
        "Differences are strategy minus baseline in points of test accuracy, paired by seed. Intervals "
        f"({interval_words(rows)}) belong to the verdicts beside them ({levels(rows)}). p of no worse tests against a "
        "loss as large as the margin, p of better against no gain; Holm: adjusted for all contrasts declared on the "
        "data set. Two standard errors: of the seeds, and of the choice of test images alone. What it would take is "
        "for a power of 80 % where there is no true difference."
    )
    title = "Three questions to every strategy"
    return Part(title, [Prose(said, "sub"), *parts], key="questions", name="Three questions")


def _question(report: Report, figures: Figures, number: int, question: str, words: tuple[str, str]) -> Part:
    cost = COST_WORDS[report.pays[1]]
    read = f": {cost}, {report.pays[0]}, read from the {report.pays[2]} ladder within each seed"
    said = f"Each strategy {words[1]}{read if question == 'pays' else ''}."
    filled = (
        "Filled markers were declared before the run, hollow ones are exploratory. Shaded: losses within the margin."
    )

    def blocks(panel: Panel) -> list[Block]:
        tables = [_contrasts(report, panel, question, account, words[1]) for account in accounts(question)]
        found: list[Block] = [Beside([figures_of(figures, question, panel, filled), tables], "pair asked")]
        if question != "pays":
            return found + _other_tests(report, panel, question, words[1])
        if report.timed and report.pays[1] != "wall_clock":
            by_clock = "at equal seconds"
            timed = [_contrasts(report, panel, question, account, by_clock, "wall_clock") for account in ACCOUNTS]
            why = Prose(f"By the timing pass; exploratory, since {cost} were declared.", "sub")
            found.append(Part("The same at equal seconds", [why, *timed]))
        return found

    parts = by_panel(report, blocks)
    return Part(f"{number}. {words[0]}", [Prose(said, "sub"), *parts], style="question")


def levels(contrasts: Sequence[Row]) -> str:
    """At which confidence the intervals are drawn: ``90 %; declared contrasts 96.7 %``."""
    parts = []
    for text, primary in (("exploratory", False), ("declared", True)):
        found = sorted({level(row) for row in contrasts if row["primary"] is primary})
        if found:
            parts.append(f"{text} {' or '.join(found)}")
    return ", ".join(parts) or "none yet"


def _contrasts(report: Report, panel: Panel, question: str, account: str, words: str, cost: str | None = None) -> Block:
    data = {"account": account} if account else {}
    rows = report.question(panel, question, account or None, cost)
    if not rows:
        return Prose("No pair of runs to compare yet.", "sub", data=data)
    shared = shared_notes(rows)
    heads = (
        "name strategy; points difference / interval; verdict verdict; p p of no worse / of better; "
        "error error of seeds / of the test set; points worst seed"
    )
    lines = [
        (
            name(report, row, declared=True),
            estimated(row, "mean_difference", points),
            short_verdict(row, own_notes(row, shared), deciding(row)),
            Cell(p_value(row["p_noninferior"]), aside=_holm(row), under=p_value(row["p_superior"])),
            Cell(error(seed_error(row)), under=error(row["sampling_error"])),
            worst_seed(row),
        )
        for row in rows
    ]
    return Grid(f"Table: {words}", columns(heads), lines, note="; ".join(shared), style="dense", data=data)


def _holm(row: Row) -> str:
    return "" if row["p_adjusted"] is None else f"Holm {p_value(row['p_adjusted'])}"


def deciding(row: Row) -> str:
    """What an open verdict would take, as a remark below it."""
    takes = to_decide(row)
    return f"to decide: {takes}" if takes else ""


def _other_tests(report: Report, panel: Panel, question: str, words: str) -> list[Block]:
    """The same differences by other tests, and McNemar's test seed by seed."""
    rows = opinions(report.question(panel, question))
    if not rows:
        return []
    seeds = seeds_of(rows)
    heads = (
        "name strategy; count pairs; error SD of pairs; correlation correlation; p p, sign-flip; p p, Wilcoxon; "
        "p p of equivalence; points unpaired interval; points bootstrap interval"
    )
    fields = ("n_pairs", "sd", "correlation", "p_sign_flip", "p_wilcoxon", "p_equivalent")
    lines = [
        (name(report, row), *(row.get(field) for field in fields), *(_ends(row[kind]) for kind in ("unpaired", "bca")))
        for row in rows
    ]
    said = (
        "Sign-flip and Wilcoxon test no worse than the margin, as the interval does; equivalence: both ends within the "
        "margin. The unpaired interval stands where pairs hardly correlate."
    )
    where = f"{panel.title}, {words}"
    tests = Grid(f"Table of other tests, {where}", columns(heads), lines, style="dense")
    blocks: list[Block] = [tests, Prose(said, "sub")]
    if seeds:
        heads = "name strategy" + "".join(f"; number seed {seed}" for seed in seeds)
        counts = [(name(report, row), *(at_seed(row, s) for s in seeds)) for row in rows if row.get("mcnemar")]
        note = (
            "Test images that the strategy alone gets right (+) and that the baseline alone gets right (\u2212), and "
            "the exact two-sided p"
        )
        label = f"Table of McNemar's tests, {where}"
        blocks.append(Grid(label, columns(heads), counts, note=note, style="dense"))
    also = ", and McNemar\u2019s test seed by seed" if seeds else ""
    return [Fold(f"Other tests of the same differences{also}", blocks, "aside")]


def _ends(other: Mapping[str, float] | None) -> str:
    return interval(other["ci_low"], other["ci_high"]) if other else NONE


def every_comparison(report: Report) -> Part:
    """All contrasts in one table to sort and filter: at equal cost those of the declared cost, and of seconds."""
    shown = [(panel.dataset["title"], panel.reference) for panel in report.panels]
    several = [len(set(names)) > 1 for names in zip(*shown, strict=True)]
    wide = "".join(f"text {head}; " for head, there in zip(("data set", "reference"), several, strict=True) if there)
    heads = (
        f"name strategy; {wide}against against; points difference / interval; p p of no worse; p p of better; "
        "count pairs; points worst seed; verdict verdict"
    )
    said = (
        "Strategy minus baseline in points of test accuracy, paired by seed. Click a heading to sort. At equal cost: "
        "the declared cost against both ladders, and seconds; every other combination is in contrasts.csv."
    )
    lines = []
    for panel, row in _compared(report):
        where = [panel.dataset["title"], row["reference"] or NONE]
        cells = [
            name(report, row),
            *(text for text, there in zip(where, several, strict=True) if there),
            Cell(against(row), under=row["account"] or ""),
            estimated(row, "mean_difference", points),
            *(row[field] for field in ("p_noninferior", "p_superior", "n_pairs")),
            worst_seed(row),
            short_verdict(row, deciding(row), tags=("declared" if row["primary"] else "exploratory",)),
        ]
        data = report.keys(panel, reference=bool(row["reference"]))
        data |= {"account": row["account"]} if row["account"] else {}
        lines.append(Line(cells, data={**data, "question": row["question"], "declared": int(row["primary"])}))
    table = Grid("Table of every comparison", columns(heads), lines, style="tall", sortable=True, key="comparison")
    return Part("Every comparison", [Prose(said, "sub"), table], key="all", name="Every comparison")


def _compared(report: Report) -> list[tuple[Panel, Row]]:
    _, cost, ladder = report.pays
    rows, seen = [], set()
    for panel in report.panels:
        for row in panel.contrasts:
            timed = (row["cost"], row["ladder"]) == ("wall_clock", ladder)
            if (row["question"] != "pays" or row["cost"] == cost or timed) and id(row) not in seen:
                seen.add(id(row))
                rows.append((panel, row))
    return rows
