"""Blocks of which a report is made, without a format: each renderer writes all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar

from . import numbers

NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "points": numbers.points, "percent": numbers.percent, "share": numbers.share, "p": numbers.p_value,
    "flops": numbers.flops, "rate": numbers.rate, "seconds": numbers.seconds, "size": numbers.size,
    "ratio": numbers.ratio, "count": numbers.count, "error": numbers.error, "correlation": numbers.correlation,
    "number": numbers.significant,
}  # fmt: skip
"""How columns of numbers are written, by their kind; they stand at the right, unbroken, and are sorted by value."""

WORDS = ("text", "name", "words", "verdict", "against", "code")
"""The other kinds: only ``words``, ``verdict`` and ``against`` may be broken into lines."""


@dataclass(frozen=True)
class Table:
    """Rows of text for a page, first column the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one name: ``x`` and ``y`` of one length, ``low`` and ``high`` as well or empty; None breaks a line."""

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    joined: bool = True  # by a line


@dataclass(frozen=True)
class Chart:
    """A figure: points with intervals over a number, or over ``ticks`` (names, for x = 0, 1, ...)."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    level: float | None = None  # where a horizontal line stands, such as "no difference"


@dataclass(frozen=True)
class Column:
    """A typed column: its ``kind``, of :data:`NUMBERS` or :data:`WORDS`, gives alignment, number format and order."""

    head: str
    kind: str = "text"
    under: str = ""  # what the second line of its cells is
    group: str = ""  # a head above several columns
    width: float | None = None  # share of a paper's text width, where its cells are sentences

    @property
    def right(self) -> bool:
        return self.kind in NUMBERS

    @property
    def style(self) -> str:
        return "num" if self.right else {"verdict": "said"}.get(self.kind, self.kind)

    @property
    def wraps(self) -> bool:
        return self.kind in ("words", "verdict", "against")

    def cell(self, value: Any) -> Cell:
        """``value`` as a cell: numbers in the column's format, text as it is, a dash for None."""
        if isinstance(value, Cell):
            return value
        if isinstance(value, str):
            return Cell(value)
        return Cell(numbers.NONE if value is None else NUMBERS[self.kind](value), "" if value is None else value)


def columns(heads: str, group: str = "") -> list[Column]:
    """Columns from ``kind head / second line; ...``, all below ``group`` if it is given."""
    parts = [(kind, *head.partition(" / ")) for kind, _, head in (part.partition(" ") for part in heads.split("; "))]
    return [Column(head, kind, under, group) for kind, head, _, under in parts]


@dataclass(frozen=True)
class Cell:
    """A field of a table: a text, what it is sorted by, and its second line and tags."""

    text: str
    value: float | str | None = None  # sorted by; None for the text itself, empty for last
    under: str = ""  # a second line, smaller
    tone: str = ""  # "good", "fair", "bad" or "open": the colour of a verdict
    strong: bool = False
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    colour: str = ""  # of the mark before a strategy's name, as in the figures
    shape: str = ""  # of that mark
    aside: str = ""  # in brackets behind the text, smaller

    @property
    def line(self) -> str:
        text = "".join((self.text, *(f" ({part})" for part in (self.aside, *self.tags) if part)))
        return "; ".join(filter(None, (", ".join(filter(None, (text, self.under))), *self.notes)))


@dataclass(frozen=True)
class Line:
    """A row with how it is shown: a ``baseline`` recedes, a ``heading`` has one cell for all columns."""

    cells: Sequence[Any]
    style: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    more: Fold | None = None  # what a page unfolds below the row


@dataclass(frozen=True)
class Grid:
    """A table with typed columns; a cell is a :class:`Cell` or a plain value that its column formats."""

    kind: ClassVar[str] = "grid"
    title: str  # its name for a reader who cannot see it; shown where titled
    columns: Sequence[Column]
    rows: Sequence[Line | Sequence[Any]]
    note: str = ""
    titled: bool = False
    style: str = ""  # "dense", "tall", "cards", "claims": how a page lays it out
    sortable: bool = False
    key: str = ""
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> Iterator[Line]:
        for row in self.rows:
            line = row if isinstance(row, Line) else Line(row)
            columns = self.columns[: len(line.cells)]
            yield replace(line, cells=[column.cell(value) for column, value in zip(columns, line.cells, strict=True)])

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        spans = groupby(enumerate(self.columns), lambda item: item[1].group or item[0])
        return [(found[0].group, found) for found in ([column for _, column in span] for _, span in spans)]


@dataclass(frozen=True)
class Prose:
    """Text: a paragraph for each line of it."""

    kind: ClassVar[str] = "prose"
    text: str
    style: str = ""  # "sub" (explains), "lead" (the answer), "finding", "lacking", "question", "state" or "code"
    head: str = ""  # bold words in front
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """A list of lines, or of terms with what they are."""

    kind: ClassVar[str] = "items"
    lines: Sequence[str | Cell | tuple[str, str]]
    style: str = ""

    @property
    def texts(self) -> list[str]:
        plain = (line.line if isinstance(line, Cell) else line for line in self.lines)
        return [line if isinstance(line, str) else ": ".join(line) for line in plain]


@dataclass(frozen=True)
class Figure:
    """A drawing and what a reader must know of it."""

    kind: ClassVar[str] = "figure"
    drawing: Any  # a selbench.reports.figures.canvas.Drawing, of which blocks know nothing
    caption: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room: ``pair``, ``pair large``, ``pair asked``, ``wide`` or ``grids``."""

    kind: ClassVar[str] = "beside"
    columns: Sequence[Sequence[Block]]
    style: str = "pair"


@dataclass(frozen=True)
class Fold:
    """Detail that only a page has room for, behind its title or, without one, open; others write ``brief`` instead."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence[Block]
    style: str = ""
    brief: Sequence[Block] = ()


@dataclass(frozen=True)
class Part:
    """Blocks under a heading; with a ``key``, a reader finds it by that, and in the contents under ``name``."""

    kind: ClassVar[str] = "part"
    title: str
    blocks: Sequence[Block]
    key: str = ""
    name: str = ""
    note: str = ""
    style: str = ""  # "brief", "study", "question", "warn", "folded" or "folded open"
    data: Mapping[str, str] = field(default_factory=dict)


Block = Grid | Prose | Items | Figure | Beside | Fold | Part
