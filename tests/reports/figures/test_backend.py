"""Figures are drawn whatever backend the environment names."""

from __future__ import annotations

import subprocess
import sys

DRAW = """
import os
from selbench.reports.figures.canvas import canvas, drawing_rules, finish
with drawing_rules():
    figure, (axes,) = canvas(3, 2)
    axes.plot([1, 2])
    print(finish(figure, "x", "t", "d").svg[:5].decode(), os.environ["MPLBACKEND"])
"""


def test_a_backend_that_is_not_installed_here_is_none_of_our_business() -> None:
    backend = "module://nowhere.backend_inline"  # as every notebook's kernel sets it, for its own environment
    done = subprocess.run(
        [sys.executable, "-c", DRAW], env={"MPLBACKEND": backend, "PATH": ""}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["<?xml", backend], done.stderr
