"""From a results folder to its ``report/``: page, Markdown, LaTeX, summary, tables, figures, each whole or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .records.folder import Results
from .records.sealing import write_bytes


def build(results_dir: str | Path, out: Path | None = None) -> Path:
    """Judge what lies in ``results_dir`` and write ``results_dir/report``, or ``out``.

    Works on whatever is there: runs that are missing are named, and with none finished the page says so. The same
    records give the same bytes.

    Parameters
    ----------
    results_dir : str or Path
        A folder with ``matrix.toml``.
    out : Path, optional
        Where the report goes.

    Returns
    -------
    Path
        The page, ``index.html``.

    Raises
    ------
    ResultsError
        If the folder holds no readable ``matrix.toml``.
    """
    results = Results.read(results_dir)
    # Imported once the folder is known to be one: drawing takes seconds to import.
    from .document.panels import Report
    from .figures.all import draw
    from .render import html as page
    from .render import latex, markdown
    from .summary import summarise

    summary = summarise(results)
    report = Report.of(summary, results)
    figures = draw(report)
    folder = out or Path(results_dir) / "report"
    drawings = folder / "figures"
    drawings.mkdir(parents=True, exist_ok=True)
    written = set()
    for placed in figures:
        for ending, content in (("svg", placed.drawing.svg), ("png", placed.drawing.png)):
            file = drawings / f"{placed.drawing.name}.{ending}"
            write_bytes(file, content)
            written.add(file)
    for stale in set(drawings.glob("*.svg")) | set(drawings.glob("*.png")):
        if stale not in written:
            stale.unlink()
    _tables(results, summary, folder)
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(folder / "summary.json", f"{text}\n".encode("utf-8", "backslashreplace"))
    write_bytes(folder / "report.md", markdown.render(report, figures).encode())
    write_bytes(folder / "report.tex", latex.render(summary).encode("ascii"))
    write_bytes(folder / "index.html", page.render(report, figures).encode())
    return folder / "index.html"


def _tables(results: Results, summary: Mapping[str, Any], folder: Path) -> None:
    """Put the tables into place; one of an earlier report that has no line any more goes."""
    from .render.flat_tables import NAMES, write_tables

    with TemporaryDirectory(prefix=".tables-", dir=folder) as drafts:
        written = write_tables(results, summary, Path(drafts))
        for table in written:
            table.replace(folder / table.name)
    kept = {table.name for table in written}
    for name in (f"{name}.{ending}" for name in NAMES for ending in ("csv", "parquet")):
        if name not in kept:
            (folder / name).unlink(missing_ok=True)
