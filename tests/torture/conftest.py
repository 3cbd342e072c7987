"""Says at the end what tests have counted."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Lines that begin with ``counted:``: what a worker process prints is captured, and would be seen by nobody."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = [line for report in reports if report.when == "call" for line in report.capstdout.splitlines()]
    terminalreporter.section("counted")
    for line in sorted(line for line in lines if line.startswith("counted: ")):
        terminalreporter.write_line(line.removeprefix("counted: "))
