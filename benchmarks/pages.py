"""What the generated pages share: links into the published folders, text fit for Markdown, blocks between marks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..reports.document.text import clean
from ..reports.records.folder import Results
from ..reports.records.pack import SUFFIX, opened
from ..reports.summary import summarise

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PUBLISHED = ROOT / "reports" / "published"


def report_link(text: str, folder: str, way: str) -> str:
    """A link to a published folder's report; ``way`` leads from the page it stands on to the published folders."""
    return f"[{text}]({way}{folder}/report.md)"


def cell(text: str) -> str:
    """Text that ends no cell of a table and opens no element."""
    return clean(text).replace("|", "\\|").replace("<", "&lt;")


def published(root: Path = PUBLISHED) -> dict[str, Path]:
    """What is published, by name: packs ``NAME/NAME.zip`` and results folders."""
    packs = {file.stem: file for file in root.glob(f"*/*{SUFFIX}") if file.stem == file.parent.name}
    return dict(sorted((packs | {file.parent.name: file.parent for file in root.glob("*/matrix.toml")}).items()))


def summary_of(folder: Path) -> Mapping[str, Any]:
    """What the published report of a pack or a folder says; made from the records where it was left out."""
    folder = opened(folder)
    file = folder / "report" / "summary.json"
    if not file.is_file():
        return summarise(Results.read(folder))
    summary: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return summary


def block(page: str, name: str) -> str:
    """What stands between the marks ``<!-- name -->`` and ``<!-- /name -->`` of a page."""
    return page.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0].strip()


def write(page: Path, name: str, drawn: str) -> None:
    """Put ``drawn`` between the marks of a page."""
    before, opens, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    _, closes, after = rest.partition(f"<!-- /{name} -->")
    if not opens or not closes:
        sys.exit(f"{page}: the marks <!-- {name} --> and <!-- /{name} --> are missing")
    page.write_text(f"{before}{opens}\n{drawn}\n{closes}{after}", encoding="utf-8")


def command(module: str, pages: Mapping[Path, tuple[str, Callable[[], str]]], arguments: Sequence[str]) -> None:
    """Print the blocks, or with ``--write`` put each into its page; ``pages`` gives each page's mark and content."""
    if list(arguments) not in ([], ["--write"]):
        sys.exit(f"{module}: give nothing, or --write")
    for page, (name, draw) in pages.items():
        if arguments:
            write(page, name, draw())
            print("written:", page)
        else:
            print(draw())
