"""Measures are read whole or not at all."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
from synthetic import checksum, write_results

from selbench.reports.records.folder import Results
from selbench.reports.records.measured import Measures

TAIL = {
    "size": 500,
    "effective": 480.5,
    "exponent": 1.1,
    "level": -2.0,
    "random_exponents": [1.0, 1.2],
    "random_levels": [-2.1, -1.9],
}
RECORD = {
    "spectrum": {
        "reference": "squeezenet1_1", "features": 512, "components": 256, "first": 5, "last": 50, "pool": 1.1,
        "hard": TAIL, "soft": {"size": 90, "effective": 80.0, "lacking": "too few"},
    },
    "residuals": {
        "reference": "squeezenet1_1", "images": 100, "directions": 3,
        "points": [[0.5, 10.0, [0.9, 0.8, 1.1]], [1.0, 20.0, None]],
    },
    "distance": {
        "reference": "squeezenet1_1", "samples": 8, "draws": 32, "size": 32.0, "quantile": 0.05,
        "minimum": 2.0, "low": 2.5, "random_minimum": 1.0, "random_low": 2.0,
    },
}  # fmt: skip


def test_what_was_written_is_read():
    found = Measures.model_validate(RECORD)
    assert found.spectrum.hard.exponent == 1.1 and found.spectrum.hard.random_levels.tolist() == [-2.1, -1.9]
    assert found.spectrum.soft.lacking == "too few" and math.isnan(found.spectrum.soft.exponent)
    assert found.residuals.energies.shape == (2, 3) and np.isnan(found.residuals.energies[1]).all()
    assert (found.distance.minimum, found.distance.random_low, found.distance.samples) == (2.0, 2.0, 8)


def test_what_was_not_measured_is_none():
    assert Measures.model_validate({"spectrum": None}).spectrum is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spectrum", "hard", "exponent"), math.nan),
        (("spectrum", "hard", "exponent"), "1.1"),
        (("spectrum", "hard", "random_levels"), [1.0]),
        (("spectrum", "hard", "random_exponents"), []),
        (("spectrum", "hard", "lacking"), "it has numbers, and says that it has none"),
        (("spectrum", "hard", "size"), True),
        (("spectrum", "pool"), math.inf),
        (("residuals", "points"), []),
        (("residuals", "points"), [[0.5, 10.0, [0.9, 0.8]]]),
        (("residuals", "points"), [[0.5, 10.0, [0.9, 0.8, -1.0]]]),
        (("residuals", "points"), [[0.5, 10.0, [0.9, 0.8, 1.0]], [0.6, 9.0, [0.9, 0.8, 1.0]]]),
        (("distance", "minimum"), -1.0),
        (("distance", "samples"), 0),
    ],
)
def test_a_damaged_measure_makes_its_record_unreadable(tmp_path, path, value):
    damaged = copy.deepcopy(RECORD)
    at = damaged
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    folder = write_results(tmp_path, seeds=2)
    good, bad = sorted((folder / "cells").glob("*.json"))[:2]
    for file, table in ((good, RECORD), (bad, damaged)):
        record = json.loads(file.read_text()) | {"measures": table}
        file.write_text(json.dumps(record | {"checksum": checksum(record)}))
    read = Results.read(folder)
    assert [one.file for one in read.unreadable] == [f"cells/{bad.name}"]
    assert [cell.id for cell in read.cells if cell.measures is not None] == [good.stem]
