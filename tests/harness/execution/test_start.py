"""What a command and its workers load: modules are counted, not seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w

import selbench
from selbench.benchmarks import bench_start, first_step

HEAVY = {"torchvision", "matplotlib", "statsmodels", "sklearn"}
"""Packages that training on digits has no use for: they take seconds to import."""

TINY = {
    "name": "tiny",
    "seeds": 1,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "budget": {"passes": 1},
    "learner": {"name": "resnet8", "width": 2},
    "datasets": [{"name": "digits", "options": {"limit": 120, "test_limit": 20}}],
    "strategies": [{"name": "loss"}],
}

TELL = """\
import atexit, pathlib, sys
atexit.register(lambda: pathlib.Path("modules").write_text("\\n".join(sys.modules)))
from selbench.harness.cli.commands import main
main()
"""


@pytest.mark.parametrize("case", ["--help", "unknown key", "unknown matrix", "wrong value", "missing file"])
def test_help_and_a_wrong_request_load_no_torch(case: str, tmp_path: Path) -> None:
    _, code, arguments = bench_start.CASES[case]
    done = subprocess.run([sys.executable, "-c", TELL, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    loaded = set((tmp_path / "modules").read_text().splitlines())
    assert "selbench.harness.cli.commands" in loaded
    assert not loaded & {"torch", *HEAVY}


def test_verify_loads_no_torch(tmp_path: Path) -> None:
    pack = next((Path(selbench.__file__).parent / "reports" / "published" / "quick").glob("*.zip"))
    done = subprocess.run(
        [sys.executable, "-c", TELL, "verify", str(pack)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not {*(tmp_path / "modules").read_text().splitlines()} & {"torch", "scipy", *HEAVY}


def test_a_worker_on_digits_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Up to the first finished run: training, evaluation and the record; the report is made by another process."""
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(TINY))
    command = [sys.executable, "-m", "selbench", "run", "tiny.toml", "--out", "out", "--device", "cpu"]
    steps = tmp_path / "steps"
    steps.mkdir()
    printed = (tmp_path / "printed").open("w+")
    own = {"cwd": tmp_path, "env": first_step.environment(steps), "stdout": printed, "stderr": subprocess.STDOUT}
    with printed, subprocess.Popen(command, **own) as run:
        end = time.monotonic() + 600
        while run.poll() is None and not list((tmp_path / "out" / "cells").glob("*.json")):
            assert time.monotonic() < end, "no run was finished"
            time.sleep(0.1)
        run.terminate()
    workers = first_step.read(steps)
    assert workers, (tmp_path / "printed").read_text()
    assert [HEAVY & {*worker["modules"]} for worker in workers] == [set()] * len(workers)
