"""What was run is held against what was claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from editing import replace
from synthetic import write_results

from selbench.reports.questions.claims.conditions import conditions
from selbench.reports.questions.claims.reading import parse
from selbench.reports.records.folder import Results

TEST = {
    "dataset": "digits",
    "strategy": {"name": "gstds"},
    "baseline": "full",
    "metric": "accuracy",
    "hypothesis": "superior",
}


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results.read(write_results(tmp_path_factory.mktemp("results"), seeds=2, datasets=["digits", "cifar10"]))


def held(results: Results, of: dict[str, Any], dataset: str = "digits") -> dict[str, bool]:
    claim = parse(
        {
            **{"id": "x", "title": "x", "statement": "x", "matrix": "quick", "source": {"paper": "x"}},
            **{"conditions": of, "tests": [TEST | {"dataset": dataset}]},
        }
    )
    found = conditions(claim, results, [("digits", "holdout"), ("cifar10", "holdout")], {"digits": 95.0})
    return {item.name: item.met for item in found}


@pytest.mark.parametrize(
    ("of", "name", "met"),
    [
        ({"learner": {"name": "resnet18"}}, "learner", True),
        ({"learner": {"name": "resnet50"}}, "learner", False),
        ({"learner": {"width": 16}}, "learner width", True),
        ({"learner": {"width": 64}}, "learner width", False),
        ({"learner": {"pretrained": False}}, "learner starts from", True),
        ({"learner": {"pretrained": True}}, "learner starts from", False),
        ({"references": ["holdout", "resnet50"]}, "reference on Digits", True),
        ({"references": ["resnet50"]}, "reference on Digits", False),
        ({"budget": {"passes": 20}}, "passes of training on Digits", True),
        ({"budget": {"passes": 21}}, "passes of training on Digits", False),
        ({"budget": {"steps": 1}}, "steps of training on Digits", False),
        ({"batching": "fixed-candidates"}, "batching", True),
        ({"batching": "fixed-trained"}, "batching", False),
        ({"datasets": {"digits": {"train": 1500}}}, "training images of Digits", True),
        ({"datasets": {"digits": {"train": 1501}}}, "training images of Digits", False),
        ({"datasets": {"digits": {"test": 2001}}}, "test images of Digits", False),
        ({"datasets": {"digits": {"classes": 10}}}, "classes of Digits", True),
        ({"datasets": {"digits": {"classes": 9}}}, "classes of Digits", False),
        ({"datasets": {"digits": {"resolution": 17}}}, "resolution in pixels of Digits", False),
        ({"datasets": {"digits": {"accuracy": 95.0}}}, "accuracy of full training on Digits", True),
        ({"datasets": {"digits": {"accuracy": 95.1}}}, "accuracy of full training on Digits", False),
    ],
)
def test_each_condition_is_checked(at_hand: Results, of: dict[str, Any], name: str, met: bool) -> None:
    assert held(at_hand, of)[name] is met


def test_what_is_not_asked_for_is_no_condition(at_hand: Results) -> None:
    assert held(at_hand, {}) == {"pixels of Digits": True}
    assert held(at_hand, {}, "pets") == {"data set": False}


@pytest.mark.parametrize("lossy", [True, False])
def test_a_lossy_copy_is_not_the_published_data(at_hand: Results, lossy: bool) -> None:
    found = held(at_hand, {"datasets": {"cifar10": {"lossy": lossy, "accuracy": 1.0}}}, "cifar10")
    assert found.get("pixels of CIFAR-10 (JPEG copy)", True) is lossy
    assert not found["accuracy of full training on CIFAR-10 (JPEG copy)"], "it was not run there"


def test_what_the_matrix_leaves_out_is_the_standard(at_hand: Results) -> None:
    matrix = replace(at_hand.matrix, learner={"name": "resnet18", "weights": "x.pth"})
    found = held(replace(at_hand, matrix=matrix), {"learner": {"width": 64, "pretrained": True}})
    assert found["learner width"] and found["learner starts from"]


def test_a_merged_folder_has_budgets_by_data_set(at_hand: Results, tmp_path: Path) -> None:
    digits = replace(at_hand.matrix.datasets["digits"], budget={"steps": 500})
    matrix = replace(at_hand.matrix, datasets={**at_hand.matrix.datasets, "digits": digits})
    assert held(replace(at_hand, matrix=matrix), {"budget": {"steps": 500}})["steps of training on Digits"]
