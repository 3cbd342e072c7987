"""tox offers every matrix, and every matrix narrowed to one strategy, without a second list."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
STRATEGIES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][
    "selbench.strategies"
]
MATRICES = {path.stem for path in (ROOT / "benchmarks" / "matrices").glob("*.toml")}


def tox(tmp_path: Path, subcommand: str, *arguments: str) -> str:
    """Output of a tox command that makes no environment; what surrounds this run does not reach it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOX_")}
    places = ["--conf", str(ROOT / "tox.ini"), "--workdir", str(tmp_path)]
    command = [sys.executable, "-m", "tox", subcommand, *places, *arguments]
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout


def test_environments_are_the_matrices_times_the_strategies(tmp_path: Path) -> None:
    ini = ConfigParser()
    ini.read(ROOT / "tox.ini")
    by_hand = {section.removeprefix("testenv:") for section in ini.sections() if section.startswith("testenv:")}
    factors = {f"{matrix}-{strategy}" for matrix in MATRICES for strategy in STRATEGIES}
    assert set(tox(tmp_path, "list", "--no-desc").split()) == by_hand | MATRICES | factors
    assert MATRICES and STRATEGIES and not by_hand & MATRICES


def test_a_strategy_narrows_its_matrix_and_arguments_are_passed_on(tmp_path: Path) -> None:
    commands = {
        "quick": "selbench run quick",
        "quick-gstds": "selbench run quick --strategy gstds",
        "cifar10-cpu-jest": "selbench run cifar10-cpu --strategy jest",
    }
    shown = tox(tmp_path, "config", "-e", ",".join(commands), "-k", "commands", "package", "--", "--seeds", "2")
    for environment, command in commands.items():
        assert f"[testenv:{environment}]\ncommands = {command} --seeds 2\npackage = editable\n" in shown
