"""The curve of a sweep, from folders with known truth; and where it stands in a report."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

sys.path.insert(0, str(Path(__file__).parents[1]))
from asked import plain
from synthetic import write_results

from selbench.reports.document.sections.parts import opening
from selbench.reports.questions import Answer, Names
from selbench.reports.questions.crossover import GAP
from selbench.reports.questions.sweep import ACCURACY, BEHIND, CHANGE, Sweep
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

TRUTH = {0.5: -1.0, 0.1: -8.0, 0.25: -3.0}  # points from full; random picks lose 0.5 at each
LABELS = {f"mine ratio={ratio}": effect for ratio, effect in TRUTH.items()}
VALUES: dict[str, Any] = {f"mine ratio={ratio}": ratio for ratio in TRUTH}
NAMES = Names(("digits",), ("holdout",), tuple(LABELS))
OPTIONS: dict[str, Any] = {"over": "ratio", "curves": {"mine": VALUES}}


def ask(folder: Path, **options: Any) -> Answer:
    return plain(Sweep({**OPTIONS, **options}, NAMES).answer(Results.read(folder), {}))


def made(folder: Path, **how: Any) -> Path:
    return write_results(folder, **{"effects": LABELS, "references": ("holdout",), "primary": [], "seeds": 8, **how})


def test_the_curve_is_found_with_its_distance_from_full_and_random(tmp_path: Path) -> None:
    answer = ask(made(tmp_path))
    assert answer.enough
    assert answer.sentence.startswith("Digits: the accuracy of mine changes by +7.") or "+6.9" in answer.sentence
    assert answer.sentence.endswith("points from ratio 0.1 to 0.5 (8 seeds).")
    found = {(q.name, q.strategy): q for q in answer.quantities}
    for label, effect in LABELS.items():
        for name, truth in ((ACCURACY, 95 + effect), (BEHIND, effect), (GAP, effect + 0.5)):
            one = found[name, label]
            assert one.estimate == pytest.approx(truth, abs=0.7) and one.low < one.estimate < one.high and one.n == 8
    change = found[CHANGE, "mine ratio=0.5"]
    assert change.low < 7.0 < change.high
    curve, beside = answer.charts
    assert curve.series[0].x == (0.1, 0.25, 0.5) and list(curve.series[0].y) == sorted(curve.series[0].y)
    assert [line.label for line in beside.series] == ["less full training", "less random picks"]
    assert [row[:2] for row in answer.tables[0].rows] == [("mine", "0.1"), ("mine", "0.25"), ("mine", "0.5")]


def test_words_stand_as_they_were_written_and_curves_have_a_table_of_their_ends(tmp_path: Path) -> None:
    labels = list(LABELS)
    curves = {"b": {labels[0]: "hard", labels[1]: "easy"}, "a": {labels[2]: "hard", labels[1]: "easy"}}
    answer = ask(made(tmp_path), over="kind", curves=curves)
    assert answer.charts[0].ticks == ("hard", "easy") and not answer.charts[0].series[0].joined
    assert [row[:3] for row in answer.tables[1].rows] == [("b", "hard", "easy"), ("a", "hard", "easy")]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    one = ask(made(tmp_path / "one", seeds=1))
    assert one.sentence == "Digits: no answer yet, since no two seeds have both ends." and not one.enough
    assert len(one.tables[0].rows) == 3 and one.charts[0].series[0].low == (None,) * 3
    none = ask(made(tmp_path / "none", seeds=2, missing=[(label, seed) for label in LABELS for seed in (0, 1)]))
    assert none.sentence == "No answer yet: no arm of this sweep has a run." and not none.tables


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"curves": {"mine": {"mine ratio=0.2": 0.2, "mine ratio=0.5": 0.5}}}, "did you mean 'mine ratio=0.25'"),
        ({"curves": {"mine": {"mine ratio=0.5": 0.5}}}, "give two labels or more"),
        ({"curves": {}}, "give two labels or more"),
        ({"over": 3}, "give the name of a parameter"),
    ],
)
def test_wrong_options_are_refused_before_the_run(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sweep({**OPTIONS, **options}, NAMES)


@pytest.mark.parametrize("primary", [[], ["mine ratio=0.5:accuracy"]])
def test_a_report_opens_on_a_sweep_only_where_nothing_is_declared(tmp_path: Path, primary: list[str]) -> None:
    folder = made(tmp_path, seeds=2, primary=primary)
    table = tomllib.loads((folder / "matrix.toml").read_text(encoding="utf-8"))
    table["studies"] = [{"analysis": "sweep", "question": "How does mine depend on ratio?", "options": OPTIONS}]
    (folder / "matrix.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    summary = summarise(Results.read(folder))
    assert summary["studies"][0]["sentence"].startswith("Digits: the accuracy of mine changes by +")
    assert opening(summary) == ([] if primary else summary["studies"])
