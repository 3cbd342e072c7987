"""tox offers every matrix, and every matrix narrowed to one strategy, without a second list."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STRATEGIES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][
    "selbench.strategies"
]
MATRICES = {path.stem for path in (ROOT / "benchmarks" / "matrices").glob("*.toml")}


def test_environments_are_the_matrices_times_the_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the plugin has them; to tox, which takes half a minute over thousands, it names those that are asked for."""
    ini = ConfigParser()
    ini.read(ROOT / "tox.ini")
    by_hand = {section.removeprefix("testenv:") for section in ini.sections() if section.startswith("testenv:")}
    factors = {f"{matrix}-{strategy}" for matrix in MATRICES for strategy in STRATEGIES}
    plugin = runpy.run_path(str(ROOT / "toxfile.py"))
    assert sorted(plugin["runs"]()) == sorted(MATRICES | factors)
    assert MATRICES and STRATEGIES and not by_hand & MATRICES
    for asked, found in (
        (["list"], set()),
        (["run", "-e", "quick-gstds,quick"], {"quick-gstds"}),
        (["-equick-gstds"], {"quick-gstds"}),
        (["run", "-e=flowers-jest"], {"flowers-jest"}),
        (["run", "-f", "loss"], {f"{matrix}-loss" for matrix in MATRICES}),
    ):
        monkeypatch.setattr(sys, "argv", ["tox", *asked])
        assert set(plugin["tox_extend_envs"]()) == MATRICES | found
    monkeypatch.setenv("TOXENV", "quick-loss")
    assert "quick-loss" in plugin["tox_extend_envs"]()


def test_a_strategy_narrows_its_matrix_and_arguments_are_passed_on(tmp_path: Path) -> None:
    commands = {
        "quick": "selbench run quick",
        "quick-gstds": "selbench run quick --strategy gstds",
        "cifar10-cpu-jest": "selbench run cifar10-cpu --strategy jest",
    }
    places = ["--conf", str(ROOT / "tox.ini"), "--workdir", str(tmp_path)]
    asked = ["-e", ",".join(commands), "-k", "commands", "package", "--", "--seeds", "2"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOX_")}  # of what surrounds us
    command = [sys.executable, "-m", "tox", "config", *places, *asked]
    shown = subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout
    for environment, run in commands.items():
        assert f"[testenv:{environment}]\ncommands = {run} --seeds 2\npackage = editable\n" in shown
