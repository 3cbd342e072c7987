"""A resolved matrix whose fields are of other types than they were written with."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from synthetic import write_results

from selbench.reports.records.folder import Results
from selbench.reports.records.records import ResultsError


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(title=3), "3 is not a text"),
        (lambda m: m.update(seeds=1), "1 is not a list"),
        (lambda m: m.update(seeds=[0, "1"]), "'1' is not a whole number"),
        (lambda m: m.update(optimizer=[]), "[] is not a table"),
        (lambda m: m.update(learner={"name": "x"}), "field 'text' is missing"),
        (lambda m: m["budget"].update(passes="many"), "'many' is not a number"),
        (lambda m: m["analysis"].update(primary="gstds:accuracy"), "'gstds:accuracy' is not a list"),
        (lambda m: m["requested"].update(strategies=[["gstds"]]), "['gstds'] is not a text"),
        (lambda m: m["arms"][0].update(label=["x"]), "label of arm"),
        (lambda m: m["arms"][0].update(rung="whole"), "rung of arm"),
        (lambda m: m["arms"].append("x"), "'x' is not a table"),
        (lambda m: m["datasets"][0].update(classes="abc"), "classes of dataset 'digits': 'abc' is not a list"),
        (lambda m: m["datasets"][0].update(pool=3.5), "pool of dataset 'digits': 3.5 is not a whole number"),
        (lambda m: m["datasets"][0].update(margin=float("inf")), "margin of dataset 'digits': inf is not finite"),
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
