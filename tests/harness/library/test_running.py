"""A matrix run from Python: the command's path, and frames at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import selbench
from selbench import UsageError


@pytest.fixture
def small(tiny: dict[str, Any]) -> dict[str, Any]:
    """One seed, one pass, no reference."""
    without = {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, "references": [], "schedule": {"name": "fixed"}}
    entry = {"name": "digits", "options": {"limit": 64, "test_limit": 20}}
    return tiny | without | {"datasets": [entry], "strategies": [{"name": "uniform"}], "learner": {"name": "resnet8"}}


def test_a_dict_is_run_once_and_read(small: dict[str, Any], tmp_path: Path, cache_dir: Path) -> None:
    asked = {"out": tmp_path / "out", "executor": "inline", "cache_dir": str(cache_dir)}
    frames = selbench.run(small, **asked)
    assert set(frames.cells["label"]) >= {"full", "uniform"} and (frames.cells["test_accuracy"] <= 1).all()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").iterdir()}
    assert selbench.run(small, **asked).cells.equals(frames.cells)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").iterdir()}


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        ("quik", {}, "no matrix named 'quik'; did you mean 'quick'"),
        ({"name": "x"}, {}, "matrix: "),
        ({"name": "x"}, {"set": ["batch=8"]}, "change the dict itself"),
        ("quick", {"worker": 2}, "selbench.run: .*'worker'; its options are those of `selbench run`"),
        ("quick", {"executor": "inlin"}, "no executor named 'inlin'"),
    ],
)
def test_what_cannot_work_is_refused_first(matrix: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        selbench.run(matrix, **options)


def test_names_of_the_library_are_imported_when_used() -> None:
    code = "import sys, selbench; print(*sorted({'torch', 'pandas', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
    assert all(getattr(selbench, name) for name in selbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Selektor'"):
        _ = selbench.Selektor
