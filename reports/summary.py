"""Everything that the report says, as one JSON-able dict: the contract for scripts and the source of the page.

Intervals of contrasts are paired, at the level that their verdict was read at (``confidence``, see
:mod:`selbench.reports.effects.verdicts`); intervals that describe (an arm's accuracy, a ratio of costs) are at 95 %.
Numbers that do not exist are None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__
from .document.sections.answer import answer, headline
from .document.sections.reproduce import reproduce
from .effects.arm_facts import describe, overlap
from .effects.classes import ByClass
from .effects.contrasts import contrast_rows, contrasts
from .effects.costs import spent
from .effects.learning_rates import tuning
from .effects.looks import looks_summary
from .effects.pairing import Pairs
from .effects.pooled import pool, ranks
from .effects.targets import targets
from .effects.training import training
from .effects.verdicts import by_chance
from .questions import answers as study_answers
from .questions.claims.verdict import judge_claims, unreadable_claims
from .records.folder import Cell, Dataset, Results
from .records.models import code_versions


def summarise(results: Results) -> dict[str, Any]:
    """Judge a results folder."""
    matrix, pairs = results.matrix, Pairs(results)
    found = contrasts(pairs)
    rows = contrast_rows(results, found)
    primary = [row for row in rows if row["primary"]]
    answers = {
        name: answer(
            _scope(dataset),
            [row for row in primary if row["dataset"] == name],
            matrix.pays.account,
            next((row["undeclared"] for row in rows if row["dataset"] == name and "undeclared" in row), ""),
        )
        for name, dataset in matrix.datasets.items()
    }
    cells, looks = count(results), looks_summary(results, rows)
    summary: dict[str, Any] = _plain(
        {
            "selbench": __version__,
            "headline": headline(answers, primary, cells),
            "answers": answers,
            "matrix": _matrix(results),
            "environment": environment(results.cells),
            "cells": cells,
            "training": training(results),
            "timing": pairs.clock.summary,
            "arms": describe(pairs),
            "contrasts": rows,
            "classes": ByClass(results).summary([(row.question, row.asked) for row in found]),
            "by_chance": by_chance(rows),
            "studies": [],
            **({} if looks is None else {"looks": looks}),
            "pooled": pool(results, found, rows),
            "ranks": ranks(pairs),
            "targets": targets(pairs),
            "tuning": tuning(pairs, rows),
            "overlap": overlap(results),
            "claims": [],
            "failures": _failures(results),
            "unreadable": [
                *({"file": item.file, "reason": item.reason} for item in results.unreadable),
                *({"file": item.file, "reason": item.reason} for item in unreadable_claims(results)),
            ],
            "artefacts": _artefacts(results),
            "sampling_error": sampling_errors(results),
            "reproduce": reproduce(results),
        }
    )
    summary["studies"] = _plain(study_answers(results, summary))
    summary["claims"] = _plain(judge_claims(pairs, summary["studies"]))
    return summary


def _scope(dataset: Dataset) -> str:
    return f"{dataset.title} ({dataset.note})" if dataset.note else dataset.title


def count(results: Results) -> dict[str, int]:
    planned = {(arm.key, seed) for arm, seed in results.planned()}
    done = planned & {(cell.arm, cell.seed) for cell in results.cells}
    failed = (planned - done) & {(item.arm, item.seed) for item in results.failures}
    return {
        "planned": len(planned),
        "done": len(done),
        "failed": len(failed),
        "missing": len(planned) - len(done) - len(failed),
        "unreadable": len(results.unreadable),
    }


def environment(cells: Sequence[Cell]) -> dict[str, Any]:
    """What the runs ran on: one value where they agree, else the sorted list of values."""
    keys = dict.fromkeys(key for cell in cells for key in cell.environment)
    found: dict[str, Any] = {}
    for key in keys:
        values = [cell.environment[key] for cell in cells if key in cell.environment]
        if key in ("started", "finished"):
            found[key] = (min if key == "started" else max)(map(str, values))
        else:
            unlike = sorted({str(value): value for value in values}.items())
            found[key] = unlike[0][1] if len(unlike) == 1 else [value for _, value in unlike]
    found["machines"] = len({str(cell.environment.get("machine")) for cell in cells})
    codes = code_versions(cells)
    found["mixed_code"] = sorted(part for part, versions in codes.items() if len(versions) > 1)
    return found


def sampling_errors(results: Results) -> dict[str, dict[str, float]]:
    """The test set's own standard error in points, at the accuracy of ``full``: sqrt(p (1 - p) / n)."""
    errors = {}
    for arm in results.arms(role="full"):
        cells = list(results.of(arm).values())
        if arm.rung == 1.0 and cells:
            p, n = float(np.mean([cell.accuracy for cell in cells])), cells[0].correct.size
            errors[arm.dataset] = {"accuracy": 100 * p, "points": 100 * math.sqrt(p * (1 - p) / n), "test_n": n}
    return errors


def _matrix(results: Results) -> dict[str, Any]:
    matrix = results.matrix
    sizes = ("resolution", "pool", "holdout", "val", "test")
    shown = ("name", "title", "note", *sizes, "margin", "collapse", "budget", "learner")
    return {
        **{name: getattr(matrix, name) for name in ("name", "title", "identity", "alpha", "seeds", "tuning")},
        **{name: getattr(matrix, name) for name in ("learner", "budget", "amortise_over", "primary")},
        "pays": vars(matrix.pays),
        **{name: getattr(matrix.analysis, name) for name in ("scope", "primary_datasets", "primary_references")},
        "datasets": [
            {**{name: getattr(dataset, name) for name in shown}, "classes": len(dataset.classes)}
            for dataset in matrix.datasets.values()
        ],
    }


def _failures(results: Results) -> list[dict[str, Any]]:
    """Failed runs that have not succeeded since; ``timing`` where only their turn in the timing pass failed."""
    done = {(cell.arm, cell.seed): cell.id for cell in results.cells}
    clocked = {timed.id for timed in results.timings}
    shown = ("id", "label", "seed", "dataset", "reference", "error", "law", "origin")
    rows = []
    for item in results.failures:
        cell = done.get((item.arm, item.seed)) if item.seed is not None else None
        if cell is None or (item.id != cell and item.id not in clocked):
            rows.append({**{name: getattr(item, name) for name in shown}, "timing": cell is not None})
    return rows


def _artefacts(results: Results) -> list[dict[str, Any]]:
    rows = []
    for item in results.artefacts.values():
        flops, seconds = spent(item.ledger)
        shown = {name: getattr(item, name) for name in ("id", "kind", "name", "dataset", "seed", "external", "quality")}
        rows.append({**shown, "flops": flops, "seconds": seconds})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)
