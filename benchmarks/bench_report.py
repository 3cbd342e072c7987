"""A report's seconds by the number of records: judged, drawn and written from files on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import write_results  # the tests' writer of results folders

from selbench.reports.build import build

from .conftest import Meter

RECORDS = (100, 1_000, 3_000, 10_000)
DATASETS = ("digits", "cifar10", "flowers")
REFERENCES = ("holdout", "resnet50")
EFFECTS = {"gstds": 0.0, "fiedler": 0.2, "degree": -0.3, "jest": 0.5, "rho": 1.5, "loss": -4.0, "static": -0.4}


@pytest.mark.parametrize("records", RECORDS)
def test_report(meter: Meter, tmp_path: Path, records: int) -> None:
    """Seven strategies, as many seeds as the records ask for; the smallest has one data set and one reference."""
    count = 1 if records == RECORDS[0] else None
    shape = {"datasets": DATASETS[:count], "references": REFERENCES[:count], "effects": EFFECTS}
    arms = len(list((write_results(tmp_path / "one", seeds=1, **shape) / "cells").iterdir()))
    folder = write_results(tmp_path / "all", seeds=-(-records // arms), **shape)
    cells = len(list((folder / "cells").iterdir()))
    meter(lambda: build(folder), suite="report", case=f"{cells:,} records", size=cells, once=True, arms=arms)
