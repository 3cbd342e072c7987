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
    "bench_select.py": "128-512 or step-8",
    "bench_report.py": "[100]",
    "bench_grid.py": "small",
    "bench_tax.py": "test_tax and 0",
    "bench_start.py": "help",
    "bench_features.py": "20000 and (extract or epoch) and not cold",
}
"""Cases of each suite that take no time."""


def suite(name: str, *arguments: str) -> str:
    """Output of pytest on a suite."""
    command = [sys.executable, "-m", "pytest", f"benchmarks/{name}", "-q", "-o", "python_files=bench_*.py"]
    flags = ["-p", "no:cacheprovider", "--device", "cpu", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *flags], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SUITES)
def test_a_small_case_of_every_suite_runs(name):
    assert " passed" in suite(name, "--benchmark-disable", "-k", SMALL[name])


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
