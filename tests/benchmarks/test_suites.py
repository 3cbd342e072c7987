"""The suites collect, and a small case of each runs; nothing here is timed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from selbench.benchmarks.inputs import answer, closeness, features, laplacian

ROOT = Path(__file__).parent.parent.parent
SUITES = sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))
SMALL = {
    "bench_solver.py": "32-512 and not networkx",
    "bench_select.py": "(128-512 and (gstds or infobatch)) or step-8",
    "bench_report.py": "[100]",
    "bench_grid.py": "small",
    "bench_tax.py": "test_tax and 0",
    "bench_start.py": "help",
    "bench_selector.py": "loss",
    "bench_references.py": "untrained",
    "bench_features.py": "20000 and check",
}
"""Cases of each suite that take no time."""


def test_a_small_case_of_every_suite_runs():
    """In one process, since each would load torch anew."""
    cases = " or ".join(f"({name} and ({case}))" for name, case in SMALL.items())
    command = [sys.executable, "-m", "pytest", "benchmarks", "-o", "python_files=bench_*.py", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--benchmark-disable", "-rp", "-q", "-k", cases], cwd=ROOT, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name in SUITES if f"PASSED benchmarks/{name}::" in done.stdout} == set(SUITES) == set(SMALL)


@pytest.mark.parametrize(("size", "width"), [(32, 64), (100, 512), (300, 128)])
def test_the_answer_is_that_of_lapack(size, width):
    feats = features(size, width)
    vector, gap = answer(feats)
    values, vectors = scipy.linalg.eigh(laplacian(feats), subset_by_index=[0, 2])
    assert abs(vector @ vectors[:, 1]) == pytest.approx(1.0, abs=1e-12)
    assert gap == pytest.approx((values[2] - values[1]) / values[1], rel=1e-8)
    assert gap >= 0.02


def test_a_wrong_answer_shows():
    truth = np.arange(8.0)
    assert closeness(-3 * truth, truth) == {"cos": pytest.approx(1.0), "overlap": 1.0}
    assert closeness(truth[::-1].copy(), truth) == {"cos": pytest.approx(0.4), "overlap": 0.0}
