"""Work grows in proportion to the records: lines that run, files that are read, artists that are drawn.

Nothing here is timed: a count is the same on a busy machine.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from rich.console import Console
from synthetic import write_results
from timed import write_timing

import selbench.reports
from selbench.reports import build as build_module
from selbench.reports.document.panels import Report
from selbench.reports.figures.canvas import drawing_rules
from selbench.reports.figures.rows import forest
from selbench.reports.records.folder import Results
from selbench.reports.render import html as page
from selbench.reports.render import markdown
from selbench.reports.render.flat_tables import write_tables
from selbench.reports.render.terminal import print_summary
from selbench.reports.summary import summarise

HERE = str(Path(selbench.reports.__file__).parent)


def lines_run(root: Path) -> int:
    """Lines of the package and its templates that run from records to page, figures aside."""
    counted = 0

    def inside(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal counted
        counted += event == "line"
        return inside

    def outside(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        # How many characters a text has is not the records' number.
        return inside if code.co_filename.startswith(HERE) and code.co_name != "clean" else None

    before = sys.gettrace()
    sys.settrace(outside)
    try:
        results = Results.read(root, strict=True)
        summary = summarise(results)
        report = Report.of(summary, results)
        write_tables(results, summary, root / "tables")
        page.render(report, [])
        markdown.render(report, [])
        print_summary(summary, Console(file=io.StringIO(), width=80))
    finally:
        sys.settrace(before)
    return counted


def folder(root: Path, *, strategies: int = 4, **how: Any) -> Path:
    effects = {f"rule {number}": 0.1 * number for number in range(strategies)}
    how = {"seeds": 3, "effects": effects, "test_n": 40, "datasets": ("digits",), **how}
    return write_timing(write_results(root, **how), blocks=2)


@pytest.mark.parametrize(
    "sizes",
    [
        [{"strategies": 2}, {"strategies": 5}, {"strategies": 8}],
        [{"seeds": 4, "strategies": 2}, {"seeds": 8, "strategies": 2}, {"seeds": 12, "strategies": 2}],
        [
            {"datasets": tuple("ab"), "strategies": 1},
            {"datasets": tuple("abc"), "strategies": 1},
            {"datasets": tuple("abcd"), "strategies": 1},
        ],
    ],
    ids=["arms", "seeds", "data sets"],
)
def test_lines_grow_in_proportion(tmp_path: Path, sizes: list[dict[str, Any]]) -> None:
    """Equal steps in size cost equal steps in work, or a little less; a loop of arms in a loop of arms would show."""
    small, middle, large = (lines_run(folder(tmp_path / str(n), **size)) for n, size in enumerate(sizes))
    assert middle > small
    assert 0.9 < (large - middle) / (middle - small) < 1.05


def test_every_record_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path)
    read: Counter[Path] = Counter()
    original = Path.read_bytes

    def counting(self: Path) -> bytes:
        read[self] += 1
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", counting)
    monkeypatch.setattr("selbench.reports.figures.all.draw", lambda report: [])
    build_module.build(root)
    records = [file for name in ("cells", "timing", "artefacts") for file in (root / name).rglob("*.json")]
    assert read == dict.fromkeys([*records, root / "matrix.toml"], 1) and len(records) > 50


def test_artists_do_not_grow_with_strategies_beyond_their_looks(tmp_path: Path) -> None:
    """One artist for all intervals, one for all markers of a look: what is left per strategy is its name."""
    made: list[tuple[int, int]] = []
    results = Results.read(folder(tmp_path, strategies=60, seeds=2))
    report = Report.of(summarise(results), results)
    rows = report.question(report.panels[0], "picking")
    for strategies in (50, 60):
        drawn = Counter[str]()
        with drawing_rules(), pytest.MonkeyPatch.context() as patched:
            for kind in ("plot", "text", "add_collection"):
                counted = _counting(drawn, kind, getattr(selbench.reports.figures.canvas.Axes, kind))
                patched.setattr(selbench.reports.figures.canvas.Axes, kind, counted)
            forest("f", "t", rows[:strategies], report, 1.0)
        made.append((drawn["plot"] + drawn["add_collection"], drawn["text"]))
    (few, _), (more, names) = made
    assert more == few and names >= 60


def _counting(drawn: Counter[str], kind: str, original: Any) -> Any:
    def counted(self: Any, *of: Any, **how: Any) -> Any:
        drawn[kind] += 1
        return original(self, *of, **how)

    return counted
