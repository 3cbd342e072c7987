"""A small analysis for tests of what stands around studies, and results folders that ask it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from synthetic import write_results

from selbench.reports.questions import Answer, Chart, Names, Quantity, Series, Summary, Table
from selbench.reports.records.folder import Results

QUESTION = "How accurate is the strategy?"


class Level:
    """Mean accuracy of the strategy in ``options.strategy``, in points, with two standard errors to either side."""

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        if options.keys() != {"strategy"}:
            raise ValueError("options: give strategy, and nothing else")
        if options["strategy"] not in names.strategies:
            raise ValueError(f"strategy: {options['strategy']!r} is not in the matrix")
        self.label = options["strategy"]

    def answer(self, results: Results, summary: Summary) -> Answer:
        assert not summary["studies"] and not summary["claims"]
        rows, quantities = [], []
        for arm in results.arms(role="strategy"):
            points = np.array([100 * cell.accuracy for cell in results.of(arm).values()])
            if arm.label == self.label and points.size > 1:
                mean, half = float(points.mean()), 2 * float(points.std(ddof=1)) / points.size**0.5
                rows.append((arm.dataset, f"{mean:.2f}", f"{arm.label} with {arm.reference}"))
                quantities.append(
                    Quantity(
                        "accuracy", arm.dataset, mean, mean - half, mean + half, points.size, 0.95, arm.label, "nothing"
                    )
                )
        if not quantities:
            return Answer(f"{self.label} has no two runs.", enough=False)
        series = Series(
            self.label,
            tuple(range(len(rows))),
            tuple(of.estimate for of in quantities),
            tuple(of.low for of in quantities),
            tuple(of.high for of in quantities),
        )
        chart = Chart(f"Accuracy of {self.label}", "", "accuracy, %", (series,), tuple(of.dataset for of in quantities))
        table = Table(f"What {self.label} reached", ("data set", "accuracy", "arm"), tuple(rows), "Means over seeds.")
        found = f"{self.label} reaches {rows[0][1]} %."
        return Answer(found, True, tuple(quantities), (table,), (chart,), (f"{self.label} is made up",))


def plain(answer: Answer) -> Answer:
    """The answer, which must be one sentence of at most 40 words with at most three notes."""
    assert len(answer.sentence.split()) <= 40 and "\n" not in answer.sentence and answer.sentence.endswith(".")
    assert len(answer.notes) <= 3
    return answer


def ask(folder: Path, *studies: Mapping[str, Any]) -> Path:
    """Put studies into the matrix of a results folder."""
    file = folder / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    file.write_text(tomli_w.dumps({**table, "studies": list(studies)}), encoding="utf-8")
    return folder


def study(strategy: str = "gstds", question: str = QUESTION) -> dict[str, Any]:
    return {"analysis": "level", "question": question, "options": {"strategy": strategy}}


def asked(folder: Path, studies: Iterable[Mapping[str, Any]] = (study(),), **how: Any) -> Path:
    """A results folder that asks ``studies``; ``how`` is :func:`synthetic.write_results`'s."""
    return ask(write_results(folder, **how), *studies)
