"""Where the cost goes: one bar for each arm, cut into its phases; FLOPs and seconds in figures of their own."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from ..document.looks import INK, PHASE_HUES, SOFT
from ..document.numbers import PHASE_WORDS, flops, ratio, seconds, share
from ..document.panels import Panel, Row
from ..document.text import clean, short
from .axes import note, row_labels
from .canvas import Drawing, canvas, finish, place, text_width

WIDTH = 4.3
ROW = 0.25
LABEL_LIMIT = 20
ARTEFACTS = "#cc79a7"
LOOP = "#9a86b8"
UNITS = {"flops": ("total_flops", "FLOPs", flops), "seconds": ("seconds", "seconds", seconds)}


def phase_parts(arm: Row, unit: str, account: str) -> dict[str, float]:
    """Cost of each phase, the loop's own time under ``loop``, and what the account adds under ``artefacts``."""
    parts = {phase: float(arm["phases"].get(phase, {}).get(unit) or 0.0) for phase in PHASE_HUES}
    whole, own = (arm[UNITS[unit][0]][name] for name in (account, "marginal"))
    loop = (arm["overhead_seconds"] or 0.0) if unit == "seconds" else 0.0
    return {**parts, "loop": loop, "artefacts": max((whole or 0.0) - (own or 0.0), 0.0)}


def phase_bars(name: str, title: str, panel: Panel, unit: str, account: str) -> Drawing:
    """Draw each arm's cost by phase, relative to full training; the share that selecting took is written out."""
    field = UNITS[unit][0]
    arms = [arm for arm in panel.drawn if arm["n"] and panel.relative_cost(arm, field, "marginal") is not None]
    labels = [short(arm["label"], LABEL_LIMIT) for arm in arms]
    figure, (axes,) = canvas(WIDTH, 0.78 + ROW * max(len(arms), 2) + 0.46)
    place(axes, left=min(max(text_width(labels) + 0.15, 0.5), 1.55), right=0.66, top=0.78, bottom=0.46)
    base = panel.full[field]["marginal"] if panel.full else None
    if not base:
        note(axes, f"no {UNITS[unit][1]} of full training to compare with")
        return finish(figure, name, title, f"No {UNITS[unit][1]} of full training to compare with.")
    parts = {arm["key"]: {k: v / base for k, v in phase_parts(arm, unit, account).items()} for arm in arms}
    present = [
        phase for phase in (*PHASE_HUES, "loop", "artefacts") if any(parts[arm["key"]][phase] > 0 for arm in arms)
    ]
    axes.set_ylim(max(len(arms), 2) - 0.5, -0.5)
    axes.set_xlim(0, 1.02 * max(sum(values.values()) for values in parts.values()))
    hues = {**PHASE_HUES, "loop": LOOP, "artefacts": ARTEFACTS}
    words = {**PHASE_WORDS, "loop": "the loop itself", "artefacts": f"artefacts ({account})"}
    for phase in present:
        bars = [
            _bar(row, _before(parts[arm["key"]], phase, present), parts[arm["key"]][phase])
            for row, arm in enumerate(arms)
        ]
        axes.add_collection(PolyCollection(bars, facecolors=hues[phase], linewidths=0), autolim=False)
    for row, arm in enumerate(arms):
        _selection_share(axes, row, arm, parts[arm["key"]])
    axes.axvline(1, color=SOFT, linewidth=0.8, linestyle=(0, (3, 2)))
    row_labels(axes, labels)
    axes.spines["left"].set_visible(False)
    word = UNITS[unit][1]
    axes.set_xlabel(f"{word}, relative to full (1 = {UNITS[unit][2](base)})".replace("\u202f", " "))
    axes.text(1.02, 1.0, "selection", transform=axes.transAxes, va="bottom", color=PHASE_HUES["select"], fontsize=7.5)
    figure.legend(
        handles=[Patch(color=hues[phase], label=words[phase]) for phase in present],
        loc="upper left",
        ncols=2,
        frameon=False,
        fontsize=7.5,
        labelcolor=SOFT,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.1,
        borderaxespad=0.2,
    )
    return finish(figure, name, title, _words(arms, parts, word))


def _bar(row: int, start: float, width: float) -> list[tuple[float, float]]:
    low, high, end = row - 0.31, row + 0.31, start + width
    return [(start, low), (end, low), (end, high), (start, high)]


def _before(parts: Mapping[str, float], phase: str, present: list[str]) -> float:
    return sum(parts[earlier] for earlier in present[: present.index(phase)])


def _selection_share(axes, row: int, arm: Row, parts: Mapping[str, float]) -> None:  # type: ignore[no-untyped-def]
    if arm["role"] != "strategy":
        return
    spent = sum(parts.values())
    text = share(parts["select"] / spent if spent else None).replace("\u202f", " ")
    axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", color=INK, fontsize=8)


def _words(arms: list[Row], parts: Mapping[str, Mapping[str, float]], word: str) -> str:
    lines = []
    for arm in arms:
        mine = parts[arm["key"]]
        total = sum(mine.values())
        select = share(mine["select"] / total if total else None)
        lines.append(f"{clean(arm['label'])} {ratio(total)} of full, selection {select}")
    return f"{word} by phase: " + "; ".join(lines) + "."
