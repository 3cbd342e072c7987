"""Estimates in long form: what is kept, what is shown, and the frame of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pandas import DataFrame
from synthetic import write_results

from selbench.reports.effects.contrasts import contrast_rows, contrasts, estimates
from selbench.reports.effects.estimate import Estimate, Estimates, significant
from selbench.reports.effects.pairing import Pairs, common
from selbench.reports.records.folder import Results


def test_a_frame_has_a_column_for_every_key_and_no_gap() -> None:
    found = Estimates(
        [
            Estimate("saved", {"dataset": "a"}, 1.5, 1.0, 2.0, n=8, unit="ratio"),
            Estimate("lost", {"dataset": "b", "rival": "full"}, None, n=1),
        ]
    ).frame()
    assert isinstance(found, DataFrame)
    keys = ["quantity", "dataset", "rival"]
    assert list(found.columns) == [*keys, "value", "low", "high", "n", "confidence", "unit"]
    assert found[keys].to_numpy().tolist() == [["saved", "a", ""], ["lost", "b", "full"]]
    assert found["n"].tolist() == [8, 1] and math.isnan(found["value"][1]) and found["high"][0] == 2.0
    assert list(Estimates().frame().columns) == ["quantity", "value", "low", "high", "n", "confidence", "unit"]


def test_the_frame_of_contrasts_is_the_summarys(tmp_path: Path) -> None:
    results = Results.read(write_results(tmp_path, seeds=6, test_n=200))
    rows = contrasts(Pairs(results))
    frame, judged = estimates(results, rows).frame(), contrast_rows(results, rows)
    assert len(frame) == len(judged) > 20
    for column, name in (("value", "mean_difference"), ("low", "ci_low"), ("n", "n_pairs"), ("verdict", "verdict")):
        assert frame[column].tolist() == [row[name] for row in judged]
    assert set(frame["question"]) == {"accuracy", "picking", "pays"} and set(frame["unit"]) == {"points"}
    alone = frame[(frame["strategy"] == "gstds") & (frame["question"] == "picking")]
    assert alone["rival"].tolist() == ["uniform"] and alone["account"].tolist() == [""]


@pytest.mark.parametrize(
    ("estimate", "how", "text"),
    [
        (Estimate("x", {}, -0.5178, -0.9, -0.139, unit="significant"), "ends", "\u22120.9 to \u22120.139"),
        (Estimate("x", {}, 4.0, 3.25, None, unit="significant"), "ends", "3.25 to no end"),
        (Estimate("x", {}, 4.0, unit="significant"), "ends", "\u2013"),
        (Estimate("x", {}, 12345.0, unit="significant"), "value", "1.23e+04"),
        (Estimate("x", {}, None), "", "\u2013"),
    ],
)
def test_one_formatter_writes_every_interval(estimate: Estimate, how: str, text: str) -> None:
    assert f"{estimate:{how}}" == text


def test_a_true_minus_sign_everywhere() -> None:
    assert significant(-1.2345e-7) == "\u22121.23e\u221207"


def test_only_seeds_that_all_have_are_paired() -> None:
    assert common({3: "a", 1: "b", 2: "c"}, {1: "d", 3: "e"}) == {3: ("a", "e"), 1: ("b", "d")}
