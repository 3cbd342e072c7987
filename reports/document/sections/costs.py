"""What runs cost: in three accounts, in selecting, by phase, and beside their accuracy."""

from __future__ import annotations

from collections.abc import Callable

from ...records.folder import TIMED
from ..blocks import Block, Cell, Grid, Line, Part, Prose, columns
from ..numbers import (
    LADDER_WORDS,
    NONE,
    by_how_much,
    clock_words,
    flops,
    interval,
    pays_words,
    plural,
    rate,
    ratio,
    seconds,
    share,
    span,
)
from ..panels import ACCOUNTS, Panel, Report, Row, at_equal_cost
from ..text import names
from .parts import Figures, baseline, by_panel, drawn, estimated, name, seconds_from
from .run import pass_words

_NAMED = 6


def selecting(panel: Panel) -> list[Row]:
    """The finished strategies whose selection has a cost of its own to show."""
    return [arm for arm in panel.role("strategy") if arm["n"] and arm["selection"]["flops_share"] is not None]


def selection_words(summary: Row, panel: Panel) -> str:
    """What selecting took, how much slower its FLOPs are than training's, and whose FLOPs are not all counted."""
    found = [(arm["label"], names(arm["uncounted"], _NAMED)) for arm in panel.role("strategy") if arm["uncounted"]]
    uncounted = (f"The FLOPs of {label} leave out {what}, which no formula counts." for label, what in found)
    short = (
        f"{arm['label']} declares {flops(arm['understated']['declared'])} for a call that counts "
        f"{flops(arm['understated']['counted'])}: the count is what its costs hold."
        for arm in panel.role("strategy")
        if "understated" in arm
    )
    return " ".join(filter(None, (_shares(summary, selecting(panel)), *uncounted, *short)))


def _shares(summary: Row, arms: list[Row]) -> str:
    if not arms:
        return ""
    parts = [arm["selection"] for arm in arms]
    flops, seconds = ([part[name] for part in parts] for name in ("flops_share", "seconds_share"))
    text = f"Selecting took {span(flops, share)} of all FLOPs"
    if None in seconds:
        return f"{text}; its seconds are of unlike machines and are not compared."
    joint = "but" if min(seconds) > max(flops) else "and"
    text += f" {joint} {span(seconds, share)} of the seconds ({source_words(summary, arms)})"
    rates = [(part["flops_per_second"], part["train_flops_per_second"]) for part in parts]
    known = [(select, train) for select, train in rates if select and train]
    if not known:
        return f"{text}."
    slower = span([train / select for select, train in known], ratio)
    reached = [span(each, rate) for each in zip(*known, strict=True)]
    return (
        f"{text}: it ran at {reached[0]} and training at {reached[1]}, "
        f"so that a FLOP of selection took {slower} as long as one of training."
    )


def saving_words(summary: Row, panel: Panel) -> str:
    """How many strategies saved FLOPs and how many seconds, by the timing pass; empty without one."""
    account = summary["matrix"]["pays"]["account"]
    found = []
    for arm in panel.role("strategy"):
        for row in panel.of(arm, "accuracy"):
            flops, clock = (row["costs"][account][cost] for cost in ("total_flops", "wall_clock"))
            if row["timing"]["source"] == TIMED and flops and clock:
                found.append((arm["label"], flops, clock))
    if not found:
        return ""
    cheaper = [item for item in found if _side(item[1]) < 0]
    faster = [item for item in found if _side(item[2]) < 0]
    text = (
        f"Of {plural(len(found), 'strategy', 'strategies')}, {len(cheaper)} spent fewer FLOPs than full training "
        f"({account}) and {len(faster)} fewer seconds."
    )
    for side, words in ((1, "FLOPs saved, but no seconds"), (0, "FLOPs saved, and seconds not told apart")):
        each = [
            f"{name} ({ratio(flops['ratio'])} the FLOPs, {ratio(clock['ratio'])} the seconds{_ends(clock)})"
            for name, flops, clock in cheaper
            if _side(clock) == side
        ]
        text += f" {words}: {names(each, _NAMED)}." if each else ""
    return text


def timed_answer(summary: Row, panel: Panel) -> str:
    """What the timing pass says of the strategies that were declared on FLOPs: whether they pay in seconds as well."""
    declared = summary["matrix"]["pays"]
    if declared["cost"] == "wall_clock":
        return ""
    strategies = {row["arm"] for row in panel.contrasts if row["primary"]}
    said = []
    for row in at_equal_cost(panel.asked("pays"), {**declared, "cost": "wall_clock"}):
        timed = row["timing"]["source"] == TIMED and row["mean_difference"] is not None
        if row["arm"] in strategies and timed:
            above = row["above_ladder"]
            beyond = f", though {above} of its {row['n_pairs']} runs cost more than all of that ladder" if above else ""
            words = pays_words(row["verdict"])
            said.append(f"{row['strategy']} {words}: {by_how_much(row)}{beyond} ({clock_words(**row['timing'])})")
    cut = f"{LADDER_WORDS[declared['ladder']]}, cut to the same seconds ({declared['account']})"
    return f"By the clock, against {cut}, and exploratory: {'; '.join(said)}." if said else ""


def source_words(summary: Row, arms: list[Row]) -> str:
    clocks = [arm["clock"] for arm in arms if arm["clock"]]
    found = {clock_words(clock["source"], clock["runs"]) for clock in clocks}
    return " or ".join(sorted(found)) or clock_words(summary["timing"]["source"], 0)


def _side(spent: Row) -> int:
    """On which side of 1 a ratio of costs lies with its whole interval, where it has one: -1, 0 (both) or 1."""
    low, high = (spent["ratio"] if end is None else end for end in (spent["ci_low"], spent["ci_high"]))
    return -1 if high < 1 else int(low >= 1)


def _ends(spent: Row) -> str:
    """The interval of a ratio of costs; empty where it is a point to the digits shown, or has none."""
    low, high = spent["ci_low"], spent["ci_high"]
    if low is None or high is None or f"{low:.2f}" == f"{high:.2f}":
        return ""
    return interval(low, high, "{:.2f}".format, " [{}, {}]")


def accuracy_against_cost(report: Report, figures: Figures) -> Part:
    tail = "The dotted tail ends at the ceiling, the least that the scoring scheme could cost at equal passes."
    clock = "Seconds of the timing pass." if report.timed else "Seconds of ordinary runs: an indication, not a timing."
    captions = {"cost-flops": f"Bars: intervals of the mean. {tail}", "cost-seconds": clock}
    said = (
        "The lines are what anyone gets by training for less: all of the data (solid) or random picks (dashed). A "
        "strategy pays where it stands above both. Costs are relative to full training, in the accounts chosen above."
    )
    parts = by_panel(report, lambda panel: [drawn(figures, panel, captions, "pair large")])
    return Part("Accuracy against cost", [Prose(said, "sub"), *parts], key="cost", name="Accuracy against cost")


def section(report: Report, figures: Figures) -> Part:
    slowly = "Selecting does few operations slowly: the two shares can differ by orders of magnitude."
    captions = {
        "phases-flops": "The number is the share of all FLOPs that went into selecting.",
        "phases-seconds": f"The same in seconds ({seconds_from(report.summary)}). {slowly}",
    }

    def blocks(panel: Panel) -> list[Block]:
        saved = saving_words(report.summary, panel)
        phases = Part("Where it goes", [drawn(figures, panel, captions)])
        return [*([Prose(saved)] if saved else []), _costs(report, panel), *_selection(report, panel), phases]

    realised = "; beside it the speed-up in seconds that a run alone realised" if report.timed else ""
    said = (
        "Cost relative to full training, in brackets the speed-up, and the cost itself. Marginal: references, "
        f"proxies and logs are free. Amortised: each is shared by {report.matrix['amortise_over']:g} runs. "
        "Standalone: all work done here is charged. Ceiling: the largest speed-up in FLOPs that the scheme allows at "
        f"equal passes, by the keep ratio as realised{realised}. Intervals of costs are Fieller's. Learner FLOPs, the "
        f"papers' convention, are the learner's training alone. {pass_words(report.summary['timing'])}"
    )
    parts = by_panel(report, blocks)
    return Part("What it costs, in three accounts", [Prose(said, "sub"), *parts], key="costs", name="Costs")


def _costs(report: Report, panel: Panel) -> Grid:
    accounts = "; ".join(f"ratio {account}" for account in ACCOUNTS)
    heads = [
        *columns("name arm; share kept; ratio learner FLOPs"),
        *columns(accounts, group="total FLOPs"),
        *columns("ratio ceiling" + ("; ratio realised / in seconds" if report.timed else "")),
        *columns(accounts, group=f"seconds ({seconds_from(report.summary)})"),
        *columns("size memory"),
    ]
    lines = []
    for arm in (arm for arm in panel.main_arms if arm["n"]):
        indicated = report.timed and arm["clock"] and arm["clock"]["source"] != TIMED
        clock = f"{{}}{', indication' if indicated else ''}"
        cells = [
            *(name(report, arm), arm["mean_ratio"], _spent(panel, arm, "learner_flops", None, flops)),
            *(_spent(panel, arm, "total_flops", account, flops) for account in ACCOUNTS),
            *(arm["ceiling"], *([estimated(panel.speedup(arm), "ratio", ratio)] if report.timed else [])),
            *(_spent(panel, arm, "seconds", account, seconds, clock) for account in ACCOUNTS),
            arm["memory_bytes"],
        ]
        lines.append(Line(cells, baseline(arm)))
    return Grid(f"Table of costs, {panel.title}", heads, lines, style="dense")


def _spent(
    panel: Panel, arm: Row, field: str, account: str | None, shown: Callable[[float], str], form: str = "{}"
) -> Cell:
    """A cost relative to full training with the speed-up that it is, and below it the cost itself."""
    part = panel.relative_cost(arm, field, account)
    whole = arm[field] if account is None else arm[field][account]
    return Cell(ratio(part), aside=ratio(1 / part) if part else "", under=form.format(shown(whole)))


_SELECTION = {
    "flops_share": "share share of all FLOPs",
    "seconds_share": "share share of all seconds",
    "flops": "flops FLOPs",
    "seconds": "seconds seconds",
    "flops_per_second": "rate rate in selection",
    "train_flops_per_second": "rate rate in training",
}
"""Columns of what selection costs, by the field of the summary."""


def _selection(report: Report, panel: Panel) -> list[Block]:
    """What selecting cost, and after how many runs references and proxies are paid for."""
    arms = selecting(panel)
    if not arms:
        return []
    heads = ["name arm", *_SELECTION.values(), *(f"count artefacts pay after, {unit}" for unit in ("FLOPs", "seconds"))]
    lines = [[name(report, arm), *map(arm["selection"].get, _SELECTION), *_break_even(panel, arm)] for arm in arms]
    table = Grid(f"Table of what selection costs, {panel.title}", columns("; ".join(heads)), lines, sortable=True)
    paid = (
        "The last two columns: after how many runs what an arm saves has paid for the references and proxies it uses."
    )
    return [Part("What selection costs", [Prose(selection_words(report.summary, panel)), Prose(paid, "sub"), table])]


def _break_even(panel: Panel, arm: Row) -> list[str]:
    """Runs after which an arm's artefacts have paid for themselves, in both costs: ``2 runs``, ``never``."""
    if arm["break_even_runs"] is None or not arm["artefacts"]:
        return [NONE, NONE]
    found = []
    for cost, field in (("total_flops", "total_flops"), ("wall_clock", "seconds")):
        runs, spent = arm["break_even_runs"][cost], panel.relative_cost(arm, field, "marginal")
        never = "never" if spent is not None and spent >= 1 else NONE
        found.append(never if runs is None else plural(runs, "run") if runs else "at once")
    return found
