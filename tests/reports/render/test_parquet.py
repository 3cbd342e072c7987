"""Parquet holds what CSV holds, with types that do not depend on which values a folder happens to have."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as reader
from synthetic import write_results
from timed import write_timing
from tuned import write_tuning

from selbench.reports.build import build
from selbench.reports.records.folder import Results
from selbench.reports.render import flat_tables as flat
from selbench.reports.render.flat_tables import NAMES, claim_rows, pooled_row, tables, tuning_rows, write_tables
from selbench.reports.summary import summarise

from .test_flat_tables import POOLED, claim, tuned


def types(path: Path) -> dict[str, str]:
    return {field.name: str(field.type) for field in reader.read_schema(path)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A rich folder and a poor one: timed or not, several data sets or one, a reference or none."""
    more = {"datasets": ("digits", "flowers"), "effects": {"gstds": 0.0, "static": -0.4}, "classes": {}}
    rich = write_tuning(write_results(tmp_path_factory.mktemp("rich"), seeds=4, test_n=100, margin=0.5, **more))
    write_timing(rich, blocks=3)
    effects = {"static": -0.4}
    poor = write_results(tmp_path_factory.mktemp("poor"), seeds=2, test_n=100, effects=effects, margin=1)
    for folder in (rich, poor):
        results = Results.read(folder)
        write_tables(results, summarise(results), folder / "tables")
    return [rich, poor]


def test_every_table_holds_what_its_csv_holds(folders: list[Path]) -> None:
    assert {path.stem for path in (folders[0] / "tables").glob("*.parquet")} >= {*NAMES} - {"claims"}
    for folder in folders:
        results = Results.read(folder)
        for name, rows in tables(results, summarise(results)).items():
            if rows:
                read = reader.read_table(folder / "tables" / f"{name}.parquet").to_pylist()
                assert read == [dict(row) for row in rows], name
                assert (folder / "tables" / f"{name}.csv").is_file()


def test_types_are_those_of_the_columns_not_of_the_values(folders: list[Path]) -> None:
    rich, poor = folders
    for name in ("cells", "contrasts", "targets"):
        assert types(rich / "tables" / f"{name}.parquet") == types(poor / "tables" / f"{name}.parquet"), name
    found = types(rich / "tables" / "contrasts.parquet")
    assert found["primary"] == "bool" and found["n_pairs"] == "int64" and found["mean_difference"] == "double"
    assert found["account"] == "string" and found["margin"] == "double"
    assert types(rich / "tables" / "timing.parquet")["block"] == "int64"


@pytest.mark.parametrize(
    "whole_and_bare",
    [
        (pooled_row(POOLED), pooled_row({**POOLED, "iqm": dict.fromkeys(("strategy", "baseline", "difference"), 1)})),
        (next(tuning_rows({"arms": [tuned()]})), next(tuning_rows({"arms": [tuned(scores=[])]}))),
        (next(claim_rows(claim())), next(claim_rows(claim(tests=[], source={"paper": "p"}, reason=None, matrix=None)))),
    ],
    ids=["pooled", "tuning", "claims"],
)
def test_a_column_without_values_has_its_type_all_the_same(
    tmp_path: Path, whole_and_bare: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    found = []
    for row in whole_and_bare:
        flat.write_parquet(tmp_path / "t.parquet", [row])
        found.append(types(tmp_path / "t.parquet"))
    assert found[0] == found[1]


def test_text_is_not_guarded_as_a_formula_is_in_csv(tmp_path: Path) -> None:
    flat.write_parquet(tmp_path / "t.parquet", [{"x": "=1+1"}, {"x": "a\ud800"}])
    assert reader.read_table(tmp_path / "t.parquet").to_pylist() == [{"x": "=1+1"}, {"x": "a\\ud800"}]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "seed": st.none() | st.integers(),
                "estimate": st.none() | st.floats() | st.integers(-(2**53), 2**53),
                "label": st.text(st.characters(exclude_categories=["Cs"])),
                "edge": st.booleans() | st.none(),
            }
        ),
        max_size=4,
    )
)
def test_whatever_a_table_may_hold_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    flat.write_parquet(path, rows)
    read = reader.read_table(path).to_pylist()
    assert len(read) == len(rows)
    vast = any(row["seed"] is not None and row["seed"].bit_length() > 63 for row in rows)
    for ours, theirs in zip(rows, read, strict=True):
        assert theirs["label"] == ours["label"] and theirs["edge"] == ours["edge"]
        assert theirs["seed"] == (str(ours["seed"]) if vast and ours["seed"] is not None else ours["seed"])
        value = ours["estimate"]
        assert theirs["estimate"] == (value if value is not None and math.isfinite(value) else None)


def test_an_empty_table_is_a_file_that_can_be_read(tmp_path: Path) -> None:
    flat.write_parquet(tmp_path / "t.parquet", [])
    assert reader.read_table(tmp_path / "t.parquet").num_rows == 0


def test_without_pyarrow_a_report_is_whole_and_nothing_stale_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_results(tmp_path, seeds=2, test_n=50, effects={"gstds": 0.0})
    build(root, figures=False)
    assert (root / "report" / "cells.parquet").is_file()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not flat.parquet_available()
    build(root, figures=False)
    assert (root / "report" / "cells.csv").is_file() and not list((root / "report").glob("*.parquet"))
