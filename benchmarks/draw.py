"""Tables and figures from a run's JSON: ``python -m selbench.benchmarks.draw JSON [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from .figures import FIGURES, draw
from .tables import comma_separated, markdown
from .timings import Run


def write(source: Path, folder: Path) -> list[Path]:
    """``bench.md``, ``bench.csv`` and the figures, in ``folder``."""
    run = Run.read(source)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(run)
    for stale in (folder / f"{suite}.{ending}" for suite in FIGURES for ending in ("svg", "png")):
        stale.unlink(missing_ok=True)  # of an earlier run that timed other suites
    shown = {Path(name).stem: name for name in pictures if name.endswith(".svg")}
    texts = {"bench.md": markdown(run, shown), "bench.csv": comma_separated(run)}
    for name, content in {**pictures, **{name: text.encode() for name, text in texts.items()}}.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in (*texts, *pictures)]


def main(arguments: list[str]) -> None:
    """Write the files, print the page and name what was written."""
    if not 1 <= len(arguments) <= 2 or not Path(arguments[0]).is_file():
        sys.exit("draw: give the JSON that the benchmarks wrote, and (beside it by default) the folder to write to")
    source = Path(arguments[0])
    files = write(source, Path(arguments[1]) if len(arguments) > 1 else source.parent)
    print((files[0]).read_text(encoding="utf-8"))
    print("written:", *files)


if __name__ == "__main__":
    main(sys.argv[1:])
