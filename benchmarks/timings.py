"""A run of the suites as its JSON tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FORMING = "forming the matrix"
COS, OVERLAP = 0.9999, 0.99
"""What an answer of the solver needs to count as right: |cos| and shared top quarter, against float64."""


@dataclass(frozen=True)
class Row:
    """One timed case.

    Parameters
    ----------
    suite, case : str
        Which suite, and what was timed.
    size, width : int
        B and d; a width of 0 does not matter.
    seconds, low, high, least : float
        Median, quartiles and minimum of the rounds.
    rounds : int
        How many rounds.
    info : dict
        What else the suite wrote down.
    """

    suite: str
    case: str
    size: int
    width: int
    seconds: float
    low: float
    high: float
    least: float
    rounds: int
    info: dict[str, Any]

    @property
    def ours(self) -> bool:
        """Whether it is this project's solver."""
        return self.case.startswith("ours")

    @property
    def right(self) -> bool:
        """Whether the answer met the bounds; True where none was judged."""
        return self.info.get("cos", 1.0) >= COS and self.info.get("overlap", 1.0) >= OVERLAP


@dataclass(frozen=True)
class Run:
    """Everything that one run timed, where, and what it left out."""

    when: str
    facts: dict[str, Any]
    rows: list[Row]
    left_out: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Run:
        """From pytest-benchmark's JSON."""
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = []
        for entry in told["benchmarks"]:
            # A suite that times without the meter is known by its file and its test.
            file = Path(entry["fullname"].partition("::")[0]).stem
            unsaid = {"suite": file.removeprefix("bench_"), "case": entry["name"], "size": 0, "width": 0}
            info, stats = unsaid | entry["extra_info"], entry["stats"]
            suite, case, size, width = (info.pop(key) for key in unsaid)
            seconds = (stats["median"], stats["q1"], stats["q3"], stats["min"])
            rows.append(Row(suite, case, size, width, *seconds, stats["rounds"], info))
        return cls(told["datetime"][:19], told["machine_info"]["selbench"], rows, told["left_out"])

    @property
    def on_gpu(self) -> bool:
        """Whether ours ran on a GPU."""
        return bool(self.facts["device"] != "cpu")

    @property
    def busy(self) -> bool:
        """Whether other work ran when it began, so that seconds are not to be trusted."""
        return (self.facts["load"] or 0.0) > 0.75

    @property
    def suites(self) -> list[str]:
        """The suites, in the order that they ran."""
        return list(dict.fromkeys(row.suite for row in self.rows))

    def of(self, suite: str) -> list[Row]:
        """The rows of a suite."""
        return [row for row in self.rows if row.suite == suite]

    def row(self, suite: str, case: str, size: int, width: int) -> Row | None:
        """The row of a case, or None."""
        wanted = (suite, case, size, width)
        return next((row for row in self.rows if (row.suite, row.case, row.size, row.width) == wanted), None)

    def share(self, row: Row, learner: Row) -> float:
        """Part of a training step (``learner``'s, on what is kept) and its selection that goes to selection."""
        return row.seconds / (row.seconds + learner.seconds)


def best_peer(run: Run, size: int, width: int, forming: bool = False) -> Row | None:
    """The fastest peer of the solver whose answer is right; with ``forming``, the seconds of the matrix counted in."""
    here = [row for row in run.of("solver") if (row.size, row.width) == (size, width) and not row.ours]
    cost = next((row.seconds for row in here if row.case == FORMING), None)
    peers = [row for row in here if "cos" in row.info and row.right]
    if forming:
        if cost is None:
            return None
        peers = [replace(row, seconds=row.seconds + cost) if row.info["formed"] else row for row in peers]
    return min(peers, key=lambda row: row.seconds, default=None)
