"""Colours, markers and dashes: one look for each arm, in tables as in figures."""

from __future__ import annotations

from dataclasses import dataclass

INK = "#1c1b18"
SOFT = "#66635b"
RULE = "#d8d4c9"
PAPER = "#fffefb"
FULL = "#3d3c39"
UNIFORM = "#8a877e"
BAND = "#ece8dd"

HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette without black (the baselines' ink) and yellow (1.3:1 on white)."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))

PHASE_HUES = {
    "train": "#b9b5aa",
    "data": "#7d8b99",
    "score": "#56b4e9",
    "reference": "#009e73",
    "select": "#d55e00",
    "probe": "#e69f00",
}
"""Training recedes and selection stands out: its share is what a reader looks for."""

VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    RULE: "--rule",
    PAPER: "--paper",
    FULL: "--full",
    UNIFORM: "--uniform",
    BAND: "--band",
    PHASE_HUES["train"]: "--train",
    PHASE_HUES["data"]: "--data",
    **{hue: f"--s{number}" for number, hue in enumerate(HUES)},
}
"""Colour in a drawing -> CSS variable of the page."""


@dataclass(frozen=True)
class Look:
    """A strategy's colour, marker and line, the same in every figure and beside its name on the page."""

    colour: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]

    @property
    def shape(self) -> str:
        """The marker's class on the page."""
        return f"m{MARKERS.index(self.marker)}"


BASELINE = Look(UNIFORM, "o", "-")


def look(number: int) -> Look:
    """Look of the ``number``-th strategy: both colour and marker change from one to the next.

    Six hues and eight markers meet again after 24; the markers then move on by one, so that 48 pairs differ.
    """
    number %= len(HUES) * len(MARKERS)
    block, hue = divmod(number, len(HUES))
    return Look(HUES[hue], MARKERS[(number + number // 24) % len(MARKERS)], DASHES[block % len(DASHES)])
