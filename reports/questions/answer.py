"""What a study is made of: as declared in the matrix, and as answered by a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..document.blocks import Chart, Table
from ..effects.estimate import Quantity
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
