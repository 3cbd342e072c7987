"""What the study of savings finds in folders with known truth, and what it says where there is too little."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from editing import replace
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from asked import plain
from synthetic import FORWARD, TRAIN, checksum, write_results
from timed import write_timing

from selbench.harness.plan.matrix import shipped
from selbench.reports.questions import Answer, Names, Quantity
from selbench.reports.questions.savings import Savings
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

LABELS = ("gstds", "rho", "loss", "static")
NAMES = Names(("cifar10", "digits"), ("holdout", "resnet50"), LABELS)


def ask(folder: Path, **options: Any) -> Answer:
    results = Results.read(folder)
    return plain(Savings(options, NAMES).answer(results, summarise(results)))


def find(answer: Answer, name: str, strategy: str = "gstds", rival: str = "full", dataset: str = "digits") -> Quantity:
    (found,) = [
        of
        for of in answer.quantities
        if (of.name, of.strategy, of.rival, of.dataset) == (name, strategy, rival, dataset)
    ]
    return found


def cell(answer: Answer, table: int, strategy: str, column: str) -> str:
    shown = answer.tables[table]
    (row,) = [row for row in shown.rows if row[1] == strategy]
    return row[shown.columns.index(column)]


def holds(found: Quantity, truth: float) -> bool:
    assert found.low is not None and found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize("slowness", [0.6, 0.9, 1.08, 1.4])
def test_the_truth_is_found(tmp_path: Path, slowness: float) -> None:
    folder = write_timing(write_results(tmp_path, seeds=6, test_n=400), blocks=6, slowness={"gstds": slowness})
    answer = ask(folder, account="marginal")
    learner, spent = 0.5, 0.5 + 1e3 / TRAIN
    assert find(answer, "learner FLOPs ratio").estimate == pytest.approx(learner)
    assert find(answer, "total FLOPs ratio, marginal").estimate == pytest.approx(spent)
    seconds = find(answer, "seconds ratio, marginal")
    assert holds(seconds, slowness) and seconds.n == 6
    share = find(answer, "realised share of the FLOP saving")
    assert holds(share, (1 - slowness) / (1 - spent))
    assert share.estimate == pytest.approx((1 - seconds.estimate) / (1 - spent), rel=1e-9)
    assert answer.enough


def test_the_tables_stand_side_by_side(tmp_path: Path) -> None:
    folder = write_timing(write_results(tmp_path, seeds=5, test_n=400), blocks=4, slowness={"gstds": 1.08})
    answer = ask(folder, strategies=list(LABELS))
    assert [row[1] for row in answer.tables[0].rows] == list(LABELS)
    assert cell(answer, 0, "gstds", "learner alone") == "0.50"
    assert cell(answer, 0, "gstds", "ceiling") == "2.00×"
    assert cell(answer, 0, "rho", "ceiling") == f"{TRAIN / (0.5 * TRAIN + FORWARD):.2f}×"
    assert cell(answer, 1, "gstds", "marginal").startswith("1.08")
    assert cell(answer, 2, "gstds", "seeds") == "5"
    by_name = {(of.name, of.strategy, of.rival, of.dataset) for of in answer.quantities}
    assert len(by_name) == len(answer.quantities) > 40
    spent, apart, *others = answer.charts[2:]
    assert not others and spent.ticks == apart.ticks == LABELS
    assert {series.label: series.y[0] for series in spent.series}["learner FLOPs"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("slowness", "noise", "said"),
    [
        (0.7, 0.002, "FLOPs are saved, and so is time"),
        (1.2, 0.002, "FLOPs are saved, time is not"),
        (1.02, 0.2, "FLOPs are saved, but whether time is cannot be told"),
    ],
)
def test_the_sentence_says_which(tmp_path: Path, slowness: float, noise: float, said: str) -> None:
    folder = write_results(tmp_path, seeds=4, test_n=400)
    answer = ask(write_timing(folder, blocks=4, slowness={"gstds": slowness}, noise=noise), account="marginal")
    seconds = cell(answer, 1, "gstds", "marginal")
    assert answer.sentence == (
        f"On Digits, gstds takes {seconds} of full training's seconds at equal passes (4 timed blocks): {said}."
    )
    assert cell(answer, 0, "gstds", "all, marginal") == "0.50"


def test_at_equal_seconds_it_is_compared_with_what_takes_as_long(tmp_path: Path) -> None:
    """A gain of 2 points over full training, whose half-length run loses a point."""
    folder = write_results(tmp_path, seeds=5, effects={"gstds": 2.0}, noise=0.05)
    shorter = ask(write_timing(folder, blocks=4, slowness={"gstds": 0.7}), account="marginal")
    found = find(shorter, "accuracy difference at equal seconds", rival="full ladder")
    assert found.estimate == pytest.approx(2.5, abs=0.2)
    assert cell(shorter, 2, "gstds", "full ladder, equal seconds").startswith(f"+{found.estimate:.2f} [")
    assert not any("ladder's top rung" in note for note in shorter.notes)
    for file in (folder / "timing").iterdir():
        file.unlink()
    longer = ask(write_timing(folder, blocks=4, slowness={"gstds": 1.3}), account="marginal")
    assert any("cost more than the ladder's top rung" in note for note in longer.notes)


def test_a_loss_is_told_below_zero(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=5, effects={"gstds": -3.0}, noise=0.05)
    answer = ask(write_timing(folder, blocks=4, slowness={"gstds": 1.3}), account="marginal")
    found = find(answer, "accuracy difference at equal seconds", rival="full ladder")
    assert found.low is not None and found.high is not None
    ends = f"\u2212{-found.low:.2f}, \u2212{-found.high:.2f}"
    assert cell(answer, 2, "gstds", "full ladder, equal seconds") == f"\u2212{-found.estimate:.2f} [{ends}]"


def test_ordinary_seconds_are_no_evidence(tmp_path: Path) -> None:
    answer = ask(write_results(tmp_path, seeds=4, test_n=400))
    assert not answer.enough
    assert "needs a timing pass" in answer.sentence and "training's seconds" not in answer.sentence
    assert not [of for of in answer.quantities if "seconds" in of.name or "share" in of.name]
    assert cell(answer, 1, "gstds", "marginal") == "no timing pass"
    assert cell(answer, 2, "gstds", "full ladder, equal seconds") == "no timing pass"
    assert cell(answer, 2, "gstds", "full ladder, equal total FLOPs") != "no timing pass"
    assert "There is no timing pass: no seconds are shown." in answer.notes
    assert not [series for chart in answer.charts for series in chart.series if "seconds" in series.label]


def test_one_block_says_nothing_of_time(tmp_path: Path) -> None:
    answer = ask(write_timing(write_results(tmp_path, seeds=4, test_n=400), blocks=1, slowness={"gstds": 0.7}))
    assert not answer.enough and "(1 timed block): FLOPs are saved, but whether time is cannot" in answer.sentence
    assert find(answer, "seconds ratio, marginal").low is None


def test_no_share_is_realised_of_nothing(tmp_path: Path) -> None:
    """Of a rule that scores and drops nothing, and of one whose FLOPs are saved at some seeds only."""
    folder = write_results(tmp_path, seeds=4, test_n=400, ratios={"loss": 1.0})
    for file in (folder / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if record["arm_label"] == "rho":
            record["ledger"]["score"]["flops"] *= (0.5, 2.0, 1.0, 2.5)[record["seed"]]
            record["checksum"] = checksum(record)
            file.write_text(json.dumps(record))
    answer = ask(write_timing(folder, blocks=4), strategies=list(LABELS), account="marginal")
    column = "realised share of the FLOPs saved (marginal)"
    assert find(answer, "total FLOPs ratio, marginal", "loss").low > 1.0
    rho = find(answer, "total FLOPs ratio, marginal", "rho")
    assert rho.low < 1.0 < rho.high
    assert cell(answer, 1, "loss", column) == cell(answer, 1, "rho", column) == "–"
    assert cell(answer, 1, "gstds", column) != "–"


def test_entries_of_too_short_a_training_show_their_costs_alone(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=4, test_n=400, datasets=("cifar10", "digits"))
    answer = ask(write_timing(folder, blocks=4, slowness={"gstds": 1.3}), costs_only=["digits"])
    assert [row[0] for row in answer.tables[0].rows] == ["CIFAR-10 (JPEG copy)", "Digits"]
    assert [row[0] for row in answer.tables[2].rows] == ["CIFAR-10 (JPEG copy)"]
    assert "accuracy to be read: Digits" in answer.tables[2].note
    assert {of.dataset for of in answer.quantities if "accuracy" in of.name} == {"cifar10"}
    assert answer.sentence.endswith("time is not; the tables have the others.")
    assert [chart.ticks for chart in answer.charts] == [("CIFAR-10 (JPEG copy)", "Digits"), ("CIFAR-10 (JPEG copy)",)]


def test_an_entry_that_is_not_done_is_told(tmp_path: Path) -> None:
    gone = [("rho", seed) for seed in range(4)]
    folder = write_results(tmp_path, seeds=4, test_n=200, missing=gone)
    answer = ask(write_timing(folder, blocks=3), strategies=["gstds", "rho"])
    assert not answer.enough and answer.notes[0].startswith("Not finished: rho on digits")


def test_references_are_told_apart(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=3, test_n=200, references=("holdout", "resnet50"))
    answer = ask(folder, strategies=["gstds", "static"])
    assert [row[1] for row in answer.tables[0].rows] == ["gstds (holdout)", "gstds (resnet50)", "static"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = write_results(tmp_path_factory.mktemp("whole"), seeds=3, test_n=100, effects={"gstds": 0.0})
    return Results.read(write_timing(folder, blocks=3))


@settings(max_examples=10)
@given(drawn=st.data(), dark=st.booleans())
def test_whatever_is_missing_there_is_an_answer(whole: Results, drawn: st.DataObject, dark: bool) -> None:
    keep = lambda items: tuple(item for item in items if drawn.draw(st.integers(0, 9)) > 0)  # noqa: E731
    kept = replace(whole, cells=keep(whole.cells), timings=() if dark else keep(whole.timings))
    answer = Savings({}, NAMES).answer(kept, summarise(kept))
    assert answer.sentence.endswith(".")
    timed = [of for of in answer.quantities if of.name == "seconds ratio, amortised"]
    assert answer.enough == bool(timed and timed[0].low is not None)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strategy": ["gstds"]}, "did you mean 'strategies'"),
        ({"strategies": ["gstd"]}, "did you mean 'gstds'"),
        ({"strategies": "gstds"}, "give a list of names"),
        ({"costs_only": ["flowers"]}, "take one of cifar10, digits"),
        ({"account": "amortized"}, "did you mean 'amortised'"),
    ],
)
def test_options_are_checked(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Savings(options, NAMES)


@pytest.mark.parametrize("name", ["study-1", "study-1-gpu", "study-1-check", "study-1-check-gpu"])
def test_the_shipped_matrices_ask_what_can_be_answered(name: str) -> None:
    matrix = tomllib.loads(shipped()[name].read_text(encoding="utf-8"))
    labels = tuple(row.get("label", row["name"]) for row in matrix["strategies"])
    names = Names(tuple(row["name"] for row in matrix["datasets"]), (), labels)
    (study,) = [study for study in matrix["studies"] if study["analysis"] == "savings"]
    asked = Savings(study.get("options", {}), names)
    assert matrix["timing"]["seeds"] >= 3 and set(asked.strategies) in (set(), set(labels))
    declared = matrix["analysis"]["primary"] or labels  # three seeds can decide nothing: the study takes all rules then
    assert declared[0].startswith(labels[0])
