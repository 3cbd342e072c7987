"""A report's seconds by the number of records: judged, drawn and written from files on disk."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from selbench.reports.build import build

from .conftest import Meter

RECORDS = (100, 1_000, 3_000, 10_000)
DATASETS = ("digits", "cifar10", "flowers")
REFERENCES = ("holdout", "resnet50")
EFFECTS = {"gstds": 0.0, "fiedler": 0.2, "degree": -0.3, "jest": 0.5, "rho": 1.5, "loss": -4.0, "static": -0.4}


def maker() -> ModuleType:
    """The tests' own writer of results folders; tests are no package, so it is read by its path."""
    path = Path(__file__).parent.parent / "tests" / "reports" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("synthetic", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("records", RECORDS)
def test_report(meter: Meter, tmp_path: Path, records: int) -> None:
    """Seven strategies, as many seeds as the records ask for; the smallest has one data set and one reference."""
    write = maker().write_results
    count = 1 if records == RECORDS[0] else None
    shape = {"datasets": DATASETS[:count], "references": REFERENCES[:count], "effects": EFFECTS}
    arms = len(list((write(tmp_path / "one", seeds=1, **shape) / "cells").iterdir()))
    folder = write(tmp_path / "all", seeds=-(-records // arms), **shape)
    cells = len(list((folder / "cells").iterdir()))
    meter(lambda: build(folder), suite="report", case=f"{cells:,} records", size=cells, once=True, arms=arms)
