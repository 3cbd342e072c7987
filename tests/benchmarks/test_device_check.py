"""The check of a device: rehearsed whole on a CPU, and what it says of a stage that fails or takes too long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from selbench.benchmarks.device_check import __main__ as check

CHECKOUT = Path(__file__).parent.parent.parent


def test_a_rehearsal_does_every_stage(tmp_path):
    command = [sys.executable, "-m", "selbench.benchmarks.device_check", "--rehearse", "--out", tmp_path]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500, check=False
    )
    table = json.loads((tmp_path / "device-check.json").read_text())
    stages = {stage["stage"]: stage for stage in table["stages"]}
    assert done.returncode == 0, json.dumps(table, indent=1) + done.stderr
    assert list(stages) == [stage.name for stage in check.STAGES] and table["environment"]["device"] == "cpu"
    page, docs = (tmp_path / "device-check.md").read_text(), (CHECKOUT / "docs" / "gpu.md").read_text()
    for name, stage in stages.items():
        assert f"| {name} | done |" in page and f"| `{name}` |" in docs, name
        assert stage["rows"] or name in ("graph", "tests", "quick")
    assert {row["waits"] for row in stages["waits"]["rows"]} == {"none"}
    assert all(row["equal"] for name in ("twice", "deterministic") for row in stages[name]["rows"])
    assert all(row["price"] > 0 for row in stages["deterministic"]["rows"])
    assert tomllib.loads((tmp_path / "profile.toml").read_text())["device"] == "cpu"


def breaks(of):
    """Breaks."""
    of.note({"seen": 1})
    raise ValueError("it | broke")


def dawdles(of):
    """Dawdles."""
    of.note({"seen": 2})
    signal.pause()


def works(of):
    """Works."""
    return "well"


@pytest.mark.parametrize("minutes", [1.0, 0.0])
def test_a_stage_that_fails_or_takes_too_long_stops_no_other(tmp_path, monkeypatch, minutes, capsys):
    monkeypatch.setattr(check, "_facts", lambda rehearse: {"device": "cpu"})
    monkeypatch.setattr(check, "LEAST", 0.1)
    stages = (check.Stage(breaks, 9), check.Stage(dawdles, 3), check.Stage(works, 9))
    monkeypatch.setattr(check, "STAGES", stages)
    assert check.main(["--rehearse", "--minutes", str(minutes), "--out", str(tmp_path)]) == 1
    found = {stage["stage"]: stage for stage in json.loads((tmp_path / "device-check.json").read_text())["stages"]}
    outcomes = [stage["outcome"] for stage in found.values()]
    if not minutes:
        assert outcomes == ["not run"] * 3
        return
    assert outcomes == ["failed", "out of time", "done"]
    assert found["breaks"]["said"] == "ValueError: it | broke"
    assert found["breaks"]["rows"] == [{"seen": 1}] and found["dawdles"]["rows"] == [{"seen": 2}]
    assert "it \\| broke" in (tmp_path / "device-check.md").read_text()
