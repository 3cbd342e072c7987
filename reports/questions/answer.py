"""What a study is made of: as declared in the matrix, and as answered by a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..records.folder import Results

Summary = Mapping[str, Any]
"""The contents of summary.json, studies and claims left out."""


@dataclass(frozen=True)
class Names:
    """What a study's options may refer to: the names in its matrix, as declared."""

    datasets: tuple[str, ...]
    references: tuple[str, ...]
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Quantity:
    """One measured number that claims may read, with its interval; None where there is none.

    ``name`` says what it is, in the words that a claim's ``quantity`` uses; ``strategy`` and ``rival`` are labels,
    empty where the number is of none.
    """

    name: str
    dataset: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95
    strategy: str = ""
    rival: str = ""


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
    joined: bool = True
    """Whether a line joins the points."""


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
    level: float | None = None
    """Where a horizontal line stands, such as "no difference"."""


@dataclass(frozen=True)
class Answer:
    """What the records say to a study's question.

    ``sentence`` answers it with an interval, or says in plain words what is lacking for an answer; ``enough`` is
    False in the latter case. Where data sets have answers of their own, each is a line. ``notes`` are what a reader of
    the answer must know.
    """

    sentence: str
    enough: bool
    quantities: tuple[Quantity, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


class Analysis(Protocol):
    """How one kind of study is answered: ``Kind(options, names)`` checks, ``answer`` reads.

    The constructor raises ``ValueError`` with one line (what is wrong and how to mend it) for options that are
    unknown, missing, or refer to a name that is not in the matrix. It is called before anything is trained.
    """

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The answer from the records at hand, however few: never an exception, never a number nobody measured."""
        ...
