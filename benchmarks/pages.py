"""What the generated pages share, and the findings of the README: ``findings.toml`` words them, the summaries count."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..harness.cli.claims import published_sets
from ..reports.document.panels import at_declared_cost
from ..reports.document.text import clean
from ..reports.records.folder import Results
from ..reports.records.pack import opened
from ..reports.summary import summarise

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PUBLISHED = ROOT / "reports" / "published"


def report_link(text: str, folder: str, way: str) -> str:
    """A link to a published folder's report; ``way`` leads from the page it stands on to the published folders."""
    return f"[{text}]({way}{folder}/report.md)"


def study_page(folder: str) -> str:
    """The page that a published folder stands on: the parts of a study (``study-3-ladder``) share one."""
    return "-".join(folder.split("-")[:2]) if folder.startswith("study-") else folder


def study_link(text: str, folder: str, way: str) -> str:
    """A link to the page of a published folder; ``way`` leads from the page it stands on to these pages."""
    return f"[{text}]({way}{study_page(folder)}.md)"


def cell(text: str) -> str:
    """Text that ends no cell of a table and opens no element."""
    return clean(text).replace("|", "\\|").replace("<", "&lt;")


def summary_of(folder: Path) -> Mapping[str, Any]:
    """What the published report of a pack or a folder says; made from the records where it was left out."""
    folder = opened(folder)
    file = folder / "report" / "summary.json"
    if not file.is_file():
        return summarise(Results.read(folder))
    summary: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return summary


@dataclass(frozen=True)
class Finding:
    """One line, as ``findings.toml`` explains it."""

    folder: str
    question: str
    answer: str
    quantity: str
    dataset: str = "cifar10"
    strategy: str = ""
    rival: str = ""
    digits: int = 2
    signed: bool = False


_FILE = Path(__file__).with_name("findings.toml")
FINDINGS = tuple(Finding(**row) for row in tomllib.loads(_FILE.read_text(encoding="utf-8"))["findings"])


def findings(way: str, published: Path = PUBLISHED, chosen: Sequence[Finding] = FINDINGS) -> str:
    """A Markdown list; ``way`` leads from the page it stands on to the pages of studies."""
    sets = published_sets(published)
    summaries = {name: summary_of(sets[name]) for name in {finding.folder for finding in chosen}}
    return "\n".join(_line(finding, summaries[finding.folder], way) for finding in chosen)


def _line(finding: Finding, summary: Mapping[str, Any], way: str) -> str:
    keys = (finding.quantity, finding.dataset, finding.strategy, finding.rival)
    known = [quantity for study in summary["studies"] for quantity in study["quantities"]]
    known += [_declared(row) for row in summary["contrasts"] if at_declared_cost(row, summary["matrix"]["pays"])]
    found = [row for row in known if tuple(row[key] for key in ("name", "dataset", "strategy", "rival")) == keys]
    if len(found) != 1:
        raise LookupError(f"{finding.folder}: {len(found)} estimates of {keys}, where one is wanted")
    form = f"{'+' if finding.signed else ''}.{finding.digits}f"
    value, low, high = (format(found[0][key], form).replace("-", "−") for key in ("estimate", "low", "high"))
    answer = finding.answer.format(f"{value} [{low}, {high}]")
    return f"- **{finding.question}** {answer} ({study_link(finding.folder, finding.folder, way)})"


def _declared(row: Mapping[str, Any]) -> dict[str, Any]:
    """A contrast under the names of an estimate: ``accuracy`` against ``full``, ``pays`` against ``cost twin``."""
    same = {key: row[key] for key in ("dataset", "strategy")}
    ends = {"estimate": row["mean_difference"], "low": row["ci_low"], "high": row["ci_high"]}
    return {**same, **ends, "name": row["question"], "rival": row["baseline"]}


def block(page: str, name: str) -> str:
    """What stands between the marks ``<!-- name -->`` and ``<!-- /name -->`` of a page."""
    return page.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0].strip()


def write(page: Path, name: str, drawn: str) -> None:
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
