"""What the costs of a panel come down to, in sentences made from the summary's numbers and from nothing else."""

from __future__ import annotations

from ...records.folder import TIMED
from ..numbers import LADDER_WORDS, by_how_much, clock_words, pays_words, plural, rate, ratio, share, span
from ..panels import Panel, Row
from ..text import names

_NAMED = 6


def selecting(panel: Panel) -> list[Row]:
    """The finished strategies whose selection has a cost of its own to show."""
    return [arm for arm in panel.role("strategy") if arm["n"] and arm["selection"]["flops_share"] is not None]


def selection_words(summary: Row, panel: Panel) -> str:
    """What selecting took, how much slower its FLOPs are than training's, and whose FLOPs are not all counted."""
    return " ".join(filter(None, (_shares(summary, selecting(panel)), _uncounted(panel))))


def _uncounted(panel: Panel) -> str:
    """Which strategies call operators that count as zero."""
    found = [(arm["label"], names(arm["uncounted"], _NAMED)) for arm in panel.role("strategy") if arm["uncounted"]]
    return " ".join(f"The FLOPs of {label} leave out {what}, which no formula counts." for label, what in found)


def _shares(summary: Row, arms: list[Row]) -> str:
    """Selection's part of all FLOPs and of all seconds."""
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
            f"{name} ({ratio(flops['ratio'])} the FLOPs, {ratio(clock['ratio'])} the seconds{_between(clock)})"
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
    wanted = (declared["account"], "wall_clock", declared["ladder"])
    said = []
    for row in panel.asked("pays"):
        timed = row["timing"]["source"] == TIMED and row["mean_difference"] is not None
        if row["arm"] in strategies and timed and (row["account"], row["cost"], row["ladder"]) == wanted:
            above = row["above_ladder"]
            beyond = f", though {above} of its {row['n_pairs']} runs cost more than all of that ladder" if above else ""
            words = pays_words(row["verdict"])
            said.append(f"{row['strategy']} {words}: {by_how_much(row)}{beyond} ({clock_words(**row['timing'])})")
    cut = f"{LADDER_WORDS[declared['ladder']]}, cut to the same seconds ({declared['account']})"
    return f"By the clock, against {cut}, and exploratory: {'; '.join(said)}." if said else ""


def source_words(summary: Row, arms: list[Row]) -> str:
    """Where the seconds of ``arms`` are from; both sources are named where they differ."""
    clocks = [arm["clock"] for arm in arms if arm["clock"]]
    found = {clock_words(clock["source"], clock["runs"]) for clock in clocks}
    return " or ".join(sorted(found)) or clock_words(summary["timing"]["source"], 0)


def _side(spent: Row) -> int:
    """On which side of 1 a ratio of costs lies with its whole interval, where it has one: -1, 0 (both) or 1."""
    low, high = (spent["ratio"] if end is None else end for end in (spent["ci_low"], spent["ci_high"]))
    return -1 if high < 1 else int(low >= 1)


def _between(spent: Row) -> str:
    """The interval of a ratio of costs; empty where it is a point to the digits shown, or has none."""
    if spent["ci_low"] is None or spent["ci_high"] is None:
        return ""
    low, high = f"{spent['ci_low']:.2f}", f"{spent['ci_high']:.2f}"
    return "" if low == high else f" [{low}, {high}]"
