"""A resolved matrix whose fields are of other types than they were written with."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from synthetic import write_results

from selbench.reports.records.folder import Results, ResultsError


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(title=3), "field 'title': Input should be a valid string, and it is 3"),
        (lambda m: m.update(seeds=1), "field 'seeds': Input should be a list, and it is 1"),
        (lambda m: m.update(seeds=[0, "1"]), "field 'seeds.1': Input should be a valid integer, and it is '1'"),
        (
            lambda m: m.update(optimizer=[]),
            "field 'optimizer': Input should be a valid dictionary, and it is a list of 0",
        ),
        (lambda m: m.update(learner={"name": "x"}), "field 'learner.text' is missing"),
        (lambda m: m["budget"].update(passes="many"), "valid number, and it is 'many'"),
        (
            lambda m: m["analysis"].update(primary="gstds:accuracy"),
            "field 'analysis.primary': Input should be a list, and it is 'gstds:accuracy'",
        ),
        (
            lambda m: m["requested"].update(strategies=[["gstds"]]),
            "field 'requested.strategies.0': Input should be a valid string, and it is a list of 1",
        ),
        (lambda m: m["arms"][0].update(label=["x"]), "field 'arms.0.label'"),
        (lambda m: m["arms"][0].update(rung="whole"), "field 'arms.0.rung'"),
        (lambda m: m["arms"].append("x"), "and it is 'x'"),
        (
            lambda m: m["datasets"][0].update(classes="abc"),
            "field 'datasets.0.classes': Input should be a list, and it is 'abc'",
        ),
        (
            lambda m: m["datasets"][0].update(pool=3.5),
            "field 'datasets.0.pool': Input should be a valid integer, and it is 3.5",
        ),
        (
            lambda m: m["datasets"][0].update(margin=float("inf")),
            "field 'datasets.0.margin': Input should be a finite number, and it is inf",
        ),
        (lambda m: m["datasets"].append(m["datasets"][0]), "two data sets have the same name"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str) -> None:
    file = write_results(tmp_path, seeds=2) / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    change(table)
    file.write_text(tomli_w.dumps(table), encoding="utf-8")
    with pytest.raises(ResultsError) as caught:
        Results.read(tmp_path)
    assert says in str(caught.value) and str(file) in str(caught.value)
