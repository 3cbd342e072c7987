"""Declared looks: at which one the runs of a data set are, its level, and what makes primary contrasts exploratory.

A verdict counts as declared where the seeds that were asked for are those that the matrix declares. Without looks
that is up to all of them. With looks it is exactly those of a look, all of whose runs are there or have failed:
judging between looks would be a look more than alpha was shared among.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records.folder import Arm, Results
from ..statistics import look_levels
from .verdicts import INFERIOR, NON_INFERIOR, SUPERIOR, WORSE_WITHIN

DECIDED = frozenset({SUPERIOR, NON_INFERIOR, WORSE_WITHIN, INFERIOR})
"""Verdicts after which no more seeds are added."""


@dataclass(frozen=True)
class Look:
    reached: int  # from 1
    of: int
    level: float  # one-sided, of a family
    next: int | None  # seeds of the look after it


class Design:
    """The seeds of each data set, as declared and as asked for."""

    def __init__(self, results: Results) -> None:
        analysis = results.matrix.analysis
        self.looks, self._results = analysis.looks, results
        self.levels = look_levels(self.looks, analysis.alpha, analysis.spending) if self.looks else ()
        self._declared: dict[str, dict[int, None]] = {}  # in their order
        self._asked: dict[str, set[int]] = {}
        for request in results.matrix.requests:
            for dataset in request.datasets:
                self._declared.setdefault(dataset, {}).update(dict.fromkeys(request.declared_seeds))
                self._asked.setdefault(dataset, set()).update(request.seeds)
        self._failed = {(failure.arm, failure.seed) for failure in results.failures}

    def look(self, dataset: str) -> Look | None:
        """The look that the seeds of a data set are; None where they are none, or none is declared."""
        asked, declared = self._asked.get(dataset, set()), list(self._declared.get(dataset, ()))
        if len(asked) not in self.looks or asked != set(declared[: len(asked)]):
            return None
        at = self.looks.index(len(asked))
        after = self.looks[at + 1] if at + 1 < len(self.looks) else None
        return Look(at + 1, len(self.looks), self.levels[at], after)

    def exploratory(self, dataset: str, arms: Iterable[Arm]) -> str:
        """Why a contrast of ``arms`` that was declared is exploratory all the same; empty where it is not."""
        asked, declared = self._asked.get(dataset, set()), self._declared.get(dataset, {})
        if asked - set(declared):
            return (
                f"exploratory: {len(asked)} seeds were asked for, of which {len(asked & set(declared))} were declared"
            )
        if not self.looks:
            return ""
        if self.look(dataset) is None:
            return f"exploratory: the {len(asked)} seeds are no declared look ({', '.join(map(str, self.looks))})"
        runs = {(arm.key, seed) for arm in arms for seed in asked}
        missing = {seed for key, seed in runs - self._failed if seed not in self._results.of(key)}
        return f"exploratory: {len(missing)} of the look's {len(asked)} seeds are still to run" if missing else ""


def looks_summary(results: Results, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The ``looks`` of the summary, from its contrasts; None where the matrix declares none.

    ``now`` is the look that the folder is at, as ``matrix.toml`` keeps it; None where what was declared is exploratory.
    ``taken`` are those kept there, as they were judged then.
    """
    design = Design(results)
    if not design.looks:
        return None
    found, levels = [row for row in rows if row["primary"]], dict(zip(design.looks, design.levels, strict=True))
    seeds, now = len(results.matrix.seeds), None
    if found and seeds in levels:
        shown = ("dataset", "reference", "strategy", "question", "verdict")
        now = {
            "seeds": seeds,
            "level": levels[seeds],
            "decided": all(row["verdict"] in DECIDED for row in found),
            "verdicts": [{name: row[name] for name in shown} for row in found],
        }
    return {
        "seeds": list(design.looks),
        "spending": results.matrix.analysis.spending,
        "levels": list(design.levels),
        "now": now,
        "taken": [look.model_dump() for look in results.matrix.looks],
    }
