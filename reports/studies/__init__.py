"""Studies: questions that a matrix declares before the run, each answered in a sentence with an interval.

A matrix asks them in ``[[studies]]`` tables; each file here answers one kind. What they need of statistics is in
``reports/statistics/``.
"""

from __future__ import annotations

from .base import Analysis, Answer, Chart, Names, Quantity, Series, Summary, Table

__all__ = ["Analysis", "Answer", "Chart", "Names", "Quantity", "Series", "Summary", "Table"]
