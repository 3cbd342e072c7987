"""The notebooks of docs/ run from top to bottom, and find what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

marimo = pytest.importorskip("marimo", reason="marimo is not installed")
NOTEBOOKS = Path(__file__).parent.parent / "docs" / "notebooks"


def definitions(name: str) -> dict[str, Any]:
    """What the cells of a notebook define when all of them run."""
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", NOTEBOOKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.app.run()[1])


def test_there_is_no_other() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.py")} == {"rule", "own_loop", "results"}


def test_a_rule_keeps_the_laws() -> None:
    found = definitions("rule")
    assert found["picks"] == [2, 1] and found["broken"] == [] and len(found["laws"]) > 20


def test_a_loop_of_ones_own_learns() -> None:
    found = definitions("own_loop")
    assert found["history"][-1] < found["history"][0] and len(found["costs"]) > 3


def test_published_results_are_frames() -> None:
    found = definitions("results")
    assert {"full", "gstds"} <= set(found["accuracy"].index) and len(found["pays"]) > 0
    assert found["axes"].get_xlabel()
