"""How soon the command answers: its seconds beside those of ``python -c "import torch"``, in turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from . import first_step
from .conftest import Meter, paired

TURNS = 3
LIMIT = 600.0
"""Seconds after which a command is taken to hang."""

PYTHON = (sys.executable, "-m", "selbench")
WRONG, LISTED, STEP = 0.5, 1.6, 3.0
CASES: dict[str, tuple[float, int, tuple[str, ...]]] = {
    "--help": (0.3, 0, ("--help",)),
    "unknown key": (WRONG, 2, ("run", "quick", "--set", "bach=32")),
    "unknown matrix": (WRONG, 2, ("run", "quik")),
    "wrong value": (WRONG, 2, ("run", "quick", "--set", "seeds=none")),
    "missing file": (WRONG, 2, ("run", "nowhere.toml")),
    "list strategies": (LISTED, 0, ("list", "strategies")),
    "run quick --plan": (LISTED, 0, ("run", "quick", "--plan", "--device", "cpu")),
}
"""The most that a case may take as a multiple of the import, the exit code, and the arguments."""


def import_torch() -> float:
    """Seconds of a Python process that imports torch."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True, timeout=LIMIT)
    return time.perf_counter() - begun


def command(arguments: tuple[str, ...], code: int) -> float:
    """Seconds of the command from its start to its end, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        done = subprocess.run([*PYTHON, *arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT)
        taken = time.perf_counter() - begun
    assert done.returncode == code, done.stdout + done.stderr
    return taken


def until_step() -> float:
    """Seconds from the start of ``selbench run quick`` to the end of its first training step."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a worker may still be writing
        folder = Path(name)
        arguments = [*PYTHON, "run", "quick", "--device", "cpu", "--out", str(folder / "out")]
        own = {"cwd": folder, "env": first_step.environment(folder), "start_new_session": True}
        with (folder / "printed").open("w+", encoding="utf-8") as printed:
            begun = time.time()
            run = subprocess.Popen(arguments, stdout=printed, stderr=subprocess.STDOUT, **own)  # type: ignore[call-overload]
            try:
                while not (steps := first_step.read(folder)):
                    assert run.poll() is None and time.time() < begun + LIMIT, (folder / "printed").read_text()
                    time.sleep(0.05)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(run.pid, signal.SIGTERM)
                run.wait()
    return min(float(step["first"]) for step in steps) - begun


def compared(meter: Meter, case: str, most: float, call: Callable[[], float]) -> None:
    """Time ``call`` and the import in turns and write down the median of their ratios."""
    turns = TURNS if meter.benchmark.enabled else 1
    taken = [(import_torch(), call()) for _ in range(turns - 1)]
    taken.append((import_torch(), meter(call, suite="start", case=case, size=0, once=True)))
    torch, ours = zip(*taken, strict=True)
    meter.note(ratio=paired(ours, torch), most=most, import_torch_s=sorted(torch)[len(torch) // 2])


@pytest.mark.parametrize("case", CASES)
def test_command(meter: Meter, case: str) -> None:
    """What needs no training."""
    most, code, arguments = CASES[case]
    compared(meter, case, most, lambda: command(arguments, code))


def test_first_step(meter: Meter) -> None:
    """From the command to the first step of any optimizer in any of its workers."""
    compared(meter, "first step of quick", STEP, until_step)
