"""From a results folder to its ``report/``: page, Markdown, LaTeX, summary, tables, figures, each whole or not."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from .records.folder import Results
from .records.sealing import write_bytes


def build(results_dir: str | Path, out: Path | None = None, *, figures: bool = True) -> Path:
    """Judge what lies in ``results_dir`` and write ``results_dir/report``, or ``out``.

    Works on whatever is there: runs that are missing are named, and with none finished the page says so. The same
    records give the same bytes. Without ``figures`` none are drawn, which is most of the time.
    Returns the page; raises a ``ResultsError`` without a readable ``matrix.toml``.
    """
    results = Results.read(results_dir)
    gc.freeze()  # looking for garbage among 10,000 records again and again takes a fifth of the time
    try:
        return _write(results, out or Path(results_dir) / "report", figures)
    finally:
        gc.unfreeze()


def _write(results: Results, folder: Path, figures: bool) -> Path:
    # Imported once the folder is known to be one: drawing takes seconds to import.
    from .document.panels import Report
    from .figures.all import draw
    from .render import html as page
    from .render import latex, markdown
    from .render.flat_tables import NAMES, write_tables
    from .summary import summarise

    summary = summarise(results)
    report = Report.of(summary, results)
    drawn = draw(report) if figures else iter([])
    drawings = folder / "figures"
    drawings.mkdir(parents=True, exist_ok=True)
    written = set()
    with TemporaryDirectory(prefix=".tables-", dir=folder) as drafts:
        for table in write_tables(results, summary, Path(drafts)):
            written.add(table.replace(folder / table.name))
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(folder / "summary.json", f"{text}\n".encode("utf-8", "backslashreplace"))
    placed = list(drawn)
    for drawing in (figure.drawing for figure in placed):
        file = drawings / f"{drawing.name}.svg"
        write_bytes(file, drawing.svg)
        written.add(file)
    # Figures and tables of an earlier report that has no line of them any more go.
    there = {folder / f"{name}.{ending}" for name in NAMES for ending in ("csv", "parquet")}
    for stale in (there | {*drawings.glob("*.svg"), *drawings.glob("*.png")}) - written:
        stale.unlink(missing_ok=True)
    write_bytes(folder / "report.md", markdown.render(report, placed).encode())
    write_bytes(folder / "report.tex", latex.render(summary).encode("ascii"))
    write_bytes(folder / "index.html", page.render(report, placed).encode())
    return folder / "index.html"
