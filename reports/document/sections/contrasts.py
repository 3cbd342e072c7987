"""The three questions to every strategy: differences, verdicts, what would decide them, and other tests."""

from __future__ import annotations

import math

from ...effects.verdicts import INCONCLUSIVE, ONLY_HERE, WORSE
from ..blocks import Beside, Block, Cell, Fold, Grid, Line, Part, Prose, columns
from ..numbers import COST_WORDS, NARROW, NONE, QUESTIONS, count, error, interval, level, p_value, plural, questions
from ..panels import ACCOUNTS, Panel, Report, Row
from .parts import Figures, against, by_panel, chance_words, difference, figures_of, name, short_verdict, worst_seed

SCOPES = {
    "population": "Verdicts for a strategy hold for new test images of the same kind, or say that they do not.",
    "test-set": "Verdicts hold for these test images, as declared.",
}
_INTERVALS = {"t": "paired t", "sign-flip": "inverted sign-flip tests"}


def to_decide(row: Row) -> str:
    """What an open contrast would take, for a power of 80 %; empty for any other.

    Seeds added because of what was found triple the error, so it is looks that are proposed, declared before a run: up
    to as many seeds as show no loss of the margin if the true difference is 0, and as tell on which side of the margin
    it lies if it is the measured one.
    """
    if row["verdict"] == ONLY_HERE:
        return "more test images"
    if row["verdict"] not in (INCONCLUSIVE, WORSE) or row["mean_difference"] is None:
        return ""
    if (after := row.get("looks", {}).get("next")) is not None:
        return f"the next look, at {plural(after, 'seed')}"
    measured, smallest, there = row["seeds_needed_measured"], row["smallest_margin"], row["n_pairs"]
    seeds = "never at the measured difference" if measured is None else f"{count(measured)} at the measured difference"
    if row["verdict"] == INCONCLUSIVE and row["seeds_needed"] is not None:
        seeds = f"{count(row['seeds_needed'])} seeds at no difference, {seeds}"
    could = "" if smallest is None else f"; {plural(there, 'seed')} can show a margin of {smallest:.2g}"
    return f"with looks in a new matrix, {seeds}{could}"


def looks_words(summary: Row) -> str:
    """Which declared look the runs are at, and its level; empty where none is declared."""
    if (looks := summary.get("looks")) is None:
        return ""
    text = f"Looks are declared at {', '.join(map(str, looks['seeds']))} seeds ({looks['spending']})"
    if (now := looks["now"]) is None:
        return f"{text}; this is none of them."
    return f"{text}; this is look {looks['seeds'].index(now['seeds']) + 1}, at a one-sided level of {now['level']:.3g}."


def _notes(row: Row) -> list[str]:
    return [part for part in row["note"].split("; ") if part]


def section(report: Report, figures: Figures) -> Part:
    asked = questions(report.matrix["budget"]).items()
    parts = [_question(report, figures, number, question, words) for number, (question, words) in enumerate(asked, 1)]
    rows = report.summary["contrasts"]
    tests = " and ".join(_INTERVALS[kind] for kind in sorted({row.get("interval", "t") for row in rows} or {"t"}))
    found = {
        text: " or ".join(sorted({level(row) for row in rows if row["primary"] is primary}))
        for text, primary in (("exploratory", False), ("declared", True))
    }
    levels = ", ".join(f"{text} {values}" for text, values in found.items() if values) or "none yet"
    said = (
        "Differences are strategy minus baseline in points of test accuracy, paired by seed. Intervals "
        f"({tests}) belong to the verdicts beside them ({levels}). p of no worse tests against a "
        "loss as large as the margin, p of better against no gain; Holm: adjusted for all contrasts declared on the "
        "data set. Two standard errors: of the seeds, and of the choice of test images alone; and the interval with "
        f"both. {SCOPES[report.results.matrix.scope]} Seeds to decide are for a power of 80 %."
    )
    title = "Three questions to every strategy"
    told = [Prose(words, "sub")] if (words := looks_words(report.summary)) else []
    return Part(title, [Prose(said, "sub"), *told, *parts], key="questions", name="Three questions")


def _question(report: Report, figures: Figures, number: int, question: str, words: tuple[str, str]) -> Part:
    cost = COST_WORDS[report.pays[1]]
    read = (
        f": {cost}, {report.pays[0]}; against its cost twin where it has one, else read off the {report.pays[2]} ladder"
    )
    said = f"Each strategy {words[1]}{read if question == 'pays' else ''}."
    filled = (
        "Filled markers were declared before the run, hollow ones are exploratory. Shaded: losses within the margin."
    )

    def blocks(panel: Panel) -> list[Block]:
        accounts = ACCOUNTS if question == "pays" else ("",)
        tables = [_contrasts(report, panel, question, account, words[1]) for account in accounts]
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


def _contrasts(report: Report, panel: Panel, question: str, account: str, words: str, cost: str | None = None) -> Block:
    data = {"account": account} if account else {}
    rows = report.question(panel, question, account or None, cost)
    if not rows:
        return Prose("No pair of runs to compare yet.", "sub", data=data)
    # Remarks that all rows carry are told once.
    shared = [part for part in _notes(rows[0]) if len(rows) > 1 and all(part in _notes(row) for row in rows)]
    heads = (
        "name strategy; points difference / interval; verdict verdict; p p of no worse / of better; "
        "error error of seeds / of the test set; points interval with both; points worst seed"
    )
    lines = []
    for row in rows:
        own = "; ".join(part for part in _notes(row) if part not in shared)
        holm = "" if row["p_adjusted"] is None else f"Holm {p_value(row['p_adjusted'])}"
        of_seeds = None if row["sd"] is None or not row["n_pairs"] else row["sd"] / math.sqrt(row["n_pairs"])
        cells = [
            *(name(report, row, declared=True), difference(row), short_verdict(row, own, deciding(row))),
            Cell(p_value(row["p_noninferior"]), aside=holm, under=p_value(row["p_superior"])),
            Cell(error(of_seeds), under=error(row["sampling_error"])),
            interval(*_ends(row["both_errors"])),
            worst_seed(row),
        ]
        lines.append(cells)
    return Grid(
        f"Table: {words}",
        columns(heads),
        lines,
        note=" ".join(filter(None, ("; ".join(shared), chance_words(rows)))),
        style="dense",
        data=data,
    )


def _ends(found: Row | None) -> tuple[float | None, float | None]:
    return (None, None) if found is None else (found["ci_low"], found["ci_high"])


def deciding(row: Row) -> str:
    takes = to_decide(row)
    return f"to decide: {takes}" if takes else ""


def _other_tests(report: Report, panel: Panel, question: str, words: str) -> list[Block]:
    """The same differences by other tests, and McNemar's test seed by seed."""
    asked = report.question(panel, question)
    rows = [row for row in asked if row["mean_difference"] is not None and row["n_pairs"] > 1]
    if not rows:
        return []
    heads = (
        "name strategy; count pairs; error SD of pairs; correlation correlation; p p, sign-flip; p p, Wilcoxon; "
        "p p of equivalence; points unpaired interval; points bootstrap interval"
    )
    fields = ("n_pairs", "sd", "correlation", "p_sign_flip", "p_wilcoxon", "p_equivalent")
    ends = [
        [interval(row[kind]["ci_low"], row[kind]["ci_high"]) if row[kind] else NONE for kind in ("unpaired", "bca")]
        for row in rows
    ]
    lines = [(name(report, row), *map(row.get, fields), *both) for row, both in zip(rows, ends, strict=True)]
    said = (
        "Sign-flip and Wilcoxon test no worse than the margin, as the interval does; equivalence: both ends within the "
        "margin. The unpaired interval stands where pairs hardly correlate."
    )
    where = f"{panel.title}, {words}"
    tests = Grid(f"Table of other tests, {where}", columns(heads), lines, style="dense")
    blocks: list[Block] = [tests, Prose(said, "sub")]
    by_seed = {
        id(row): {
            seed["seed"]: f"+{seed['gained']:,} \u2212{seed['lost']:,}, p{NARROW}{p_value(seed['p'])}"
            for seed in row.get("mcnemar") or ()
        }
        for row in rows
    }
    seeds = sorted({seed for found in by_seed.values() for seed in found})
    if seeds:
        heads = "name strategy" + "".join(f"; number seed {seed}" for seed in seeds)
        counts = [
            (name(report, row), *(by_seed[id(row)].get(seed, NONE) for seed in seeds))
            for row in rows
            if by_seed[id(row)]
        ]
        note = (
            "Test images that the strategy alone gets right (+) and that the baseline alone gets right (\u2212), and "
            "the exact two-sided p"
        )
        label = f"Table of McNemar's tests, {where}"
        blocks.append(Grid(label, columns(heads), counts, note=note, style="dense"))
    also = ", and McNemar\u2019s test seed by seed" if seeds else ""
    return [Fold(f"Other tests of the same differences{also}", blocks, "aside")]


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
    _, cost, ladder = report.pays
    found: dict[int, tuple[Panel, Row]] = {}
    drawn = {
        id(row)
        for panel in report.panels
        for question in QUESTIONS
        for account in (ACCOUNTS if question == "pays" else ("",))
        for equal in ((cost, "wall_clock") if question == "pays" else ("",))
        for row in report.question(panel, question, account, equal)
    }
    for panel in report.panels:
        for row in panel.contrasts:
            timed = (row["cost"], row["ladder"]) == ("wall_clock", ladder)
            if row["question"] != "pays" or row["cost"] == cost or timed:
                found.setdefault(id(row), (panel, row))
    lines = []
    for at, (panel, row) in found.items():
        where = [panel.dataset["title"], row["reference"] or NONE]
        cells = [
            name(report, row),
            *(text for text, there in zip(where, several, strict=True) if there),
            Cell(against(row), under=row["account"] or ""),
            difference(row),
            *(row[field] for field in ("p_noninferior", "p_superior", "n_pairs")),
            worst_seed(row),
            short_verdict(row, deciding(row), tags=("declared" if row["primary"] else "exploratory",)),
        ]
        data = report.keys(panel, reference=bool(row["reference"]))
        data |= {"account": row["account"], "cost": COST_WORDS[row["cost"]]} if row["account"] else {}
        lines.append(
            Line(
                cells,
                data={**data, "question": row["question"], "declared": int(row["primary"]), "drawn": int(at in drawn)},
            )
        )
    table = Grid("Table of every comparison", columns(heads), lines, style="tall", sortable=True, key="comparison")
    chance = chance_words([row for _, row in found.values()])
    return Part(
        "Every comparison",
        [Prose(" ".join(filter(None, (said, chance))), "sub"), table],
        key="all",
        name="Every comparison",
    )
