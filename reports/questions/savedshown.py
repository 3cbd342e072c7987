"""Cases of the study of savings as tables, charts, and numbers that claims may read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..document.blocks import Chart, Series, Table
from ..document.numbers import ACCOUNT_WORDS, MINUS, NARROW, NONE, points, ratio
from ..effects.estimate import Quantity
from ..records.folder import ACCOUNTS, TIMED
from .saved import Case, Key, Ratio, Row

NO_PASS = "no timing pass"
CONFIDENCE = 0.95
"""Of every ratio."""


def number(value: float) -> str:
    """Two decimals and a true minus sign."""
    text = f"{abs(value):.2f}"
    return (MINUS if value < 0 and float(text) != 0 else "") + text


def bracketed(found: Ratio) -> str:
    """``1.08 [1.01, 1.15]``; the value alone where there is no interval, or none to be seen."""
    if found.low is None or found.high is None:
        return number(found.value)
    ends = (number(found.low), number(found.high))
    return number(found.value) if {*ends} == {number(found.value)} else f"{number(found.value)} [{', '.join(ends)}]"


def between(low: float | None, high: float | None, shown: Callable[[float], str] = points) -> str:
    """`` [−8.10, −5.90]`` with a space before it; empty where there is no interval."""
    return "" if low is None or high is None else f" [{shown(low)}, {shown(high)}]"


def kinds(account: str) -> dict[str, Key]:
    """What the accuracy is compared with -> which of the summary's contrasts that is."""
    found: dict[str, Key] = {
        "full, equal passes": ("accuracy", None, None, None),
        "random picks of its number": ("picking", None, None, None),
    }
    for cost, words in (("total_flops", "equal total FLOPs"), ("wall_clock", "equal seconds")):
        for ladder in ("full", "uniform"):
            found[f"{ladder} ladder, {words}"] = ("pays", account, cost, ladder)
    return found


def evidence(case: Case, kind: Key) -> Row | None:
    """The contrast, where it has pairs and its seconds, if it rests on any, are of the timing pass."""
    row = case.contrasts.get(kind)
    if row is None or not row["n_pairs"] or (kind[2] == "wall_clock" and row["timing"]["source"] != TIMED):
        return None
    return row


def flops_table(found: Sequence[Case]) -> Table:
    """Ratios of FLOPs, and the ceiling."""
    rows = [
        (
            case.title,
            case.label,
            *(_cell(case.flops[account]) for account in ("learner", *ACCOUNTS)),
            NONE if case.ceiling is None else ratio(case.ceiling),
        )
        for case in found
    ]
    return Table(
        "FLOPs, as a share of full training's at equal passes",
        ("entry", "strategy", "learner alone", *(f"all, {account}" for account in ACCOUNTS), "ceiling"),
        tuple(rows),
        "Learner alone is what papers mostly count. "
        + "; ".join(f"{account}: {ACCOUNT_WORDS[account]}" for account in ACCOUNTS)
        + ". The ceiling is the largest speed-up at equal passes that the scoring scheme allows.",
    )


def seconds_table(found: Sequence[Case], account: str) -> Table:
    """Ratios of seconds, and the share of the FLOP saving that they realise."""
    rows = [
        (
            case.title,
            case.label,
            *(_cell(case.seconds[of], "" if case.blocks else NO_PASS) for of in ACCOUNTS),
            _cell(case.share),
            str(case.blocks),
        )
        for case in found
    ]
    return Table(
        "Seconds, as a share of full training's at equal passes",
        ("entry", "strategy", *ACCOUNTS, f"realised share of the FLOPs saved ({account})", "timed blocks"),
        tuple(rows),
        f"Timing pass only; 95{NARROW}% intervals by Fieller's method over its blocks. "
        "Realised share: seconds saved over those that would have been saved had they followed the total FLOPs; 1 "
        "is all of it, below 0 the run takes longer. Not shown where FLOPs are not surely saved.",
    )


def accuracy_table(found: Sequence[Case], account: str, levels: str, left_out: Sequence[str]) -> Table:
    """Differences in accuracy at equal passes, equal picks, and equal cost."""
    rows = [
        (case.title, case.label, *(_difference(case, kind) for kind in kinds(account).values()), str(case.n))
        for case in found
    ]
    note = f"At equal cost: {account} account. Intervals at the level that a row's verdict is read at ({levels})."
    if left_out:
        note += f" Too short a training for its accuracy to be read: {', '.join(left_out)}."
    return Table("Accuracy, points apart from", ("entry", "strategy", *kinds(account), "seeds"), tuple(rows), note)


def _cell(found: Ratio | None, without: str = "") -> str:
    return (without or NONE) if found is None else bracketed(found)


def _difference(case: Case, kind: Key) -> str:
    row = evidence(case, kind)
    if row is None:
        return NO_PASS if kind[2] == "wall_clock" and not case.blocks else NONE
    return points(row["mean_difference"]) + between(row["ci_low"], row["ci_high"])


def spent_chart(title: str, ticks: Sequence[str], found: Sequence[Case], account: str) -> Chart:
    """FLOPs beside seconds."""
    spent = {
        "learner FLOPs": [case.flops["learner"] for case in found],
        f"total FLOPs ({account})": [case.flops[account] for case in found],
        f"seconds ({account})": [case.seconds[account] for case in found],
    }
    return Chart(
        title=f"{title}: FLOPs and seconds beside full training's",
        x_label="",
        y_label="Share of full training's",
        series=_series(spent),
        ticks=tuple(ticks),
        level=1.0,
    )


def apart_chart(title: str, ticks: Sequence[str], found: Sequence[Case], account: str) -> Chart:
    """Accuracy against the ladder of full training, at equal FLOPs beside equal seconds."""
    apart = {
        name: [_apart(case, ("pays", account, cost, "full")) for case in found]
        for name, cost in (("at equal total FLOPs", "total_flops"), ("at equal seconds", "wall_clock"))
    }
    return Chart(
        title=f"{title}: accuracy beside shortened full training's",
        x_label="",
        y_label="Difference (points)",
        series=_series(apart),
        ticks=tuple(ticks),
        level=0.0,
    )


def _apart(case: Case, kind: Key) -> Ratio | None:
    row = evidence(case, kind)
    return None if row is None else Ratio(row["mean_difference"], row["ci_low"], row["ci_high"])


def _series(lines: Mapping[str, Sequence[Ratio | None]]) -> tuple[Series, ...]:
    """A series for each line that has a value."""
    return tuple(
        Series(
            label=label,
            x=tuple(range(len(line))),
            y=tuple(None if of is None else of.value for of in line),
            low=tuple(None if of is None else of.low for of in line),
            high=tuple(None if of is None else of.high for of in line),
            joined=False,
        )
        for label, line in lines.items()
        if any(of is not None for of in line)
    )


def quantities(case: Case, account: str, judged: bool) -> list[Quantity]:
    """Every number of a case under a name for claims; of accuracy only where it may be ``judged``."""
    ratios = {
        "learner FLOPs ratio": (case.flops["learner"], case.n),
        **{f"total FLOPs ratio, {of}": (case.flops[of], case.n) for of in ACCOUNTS},
        **{f"seconds ratio, {of}": (case.seconds[of], case.blocks) for of in ACCOUNTS},
        "realised share of the FLOP saving": (case.share, case.blocks),
    }
    found = [
        Quantity(name, case.dataset, of.value, of.low, of.high, n, CONFIDENCE, case.label, "full")
        for name, (of, n) in ratios.items()
        if of is not None
    ]
    if not judged:
        return found
    rivals = ("full", "uniform", "full ladder", "uniform ladder", "full ladder", "uniform ladder")
    for rival, kind in zip(rivals, kinds(account).values(), strict=True):
        if (row := evidence(case, kind)) is None:
            continue
        cost = {"total_flops": " at equal total FLOPs", "wall_clock": " at equal seconds"}.get(kind[2] or "", "")
        ends = (row["mean_difference"], row["ci_low"], row["ci_high"])
        named = (f"accuracy difference{cost}", case.dataset)
        found.append(Quantity(*named, *ends, row["n_pairs"], row["confidence"], case.label, rival))
    return found
