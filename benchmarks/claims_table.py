"""Every published claim and where it stands: ``python -m selbench.benchmarks.claims_table [--write]``.

A Markdown table drawn from the claims that are shipped and from the published folders' ``claims.csv``. With ``--write``
it goes between the marks ``<!-- claims -->`` of ``docs/claims.md``; a test holds that page against it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..reports.questions.claims.reading import shipped
from ..reports.questions.claims.schema import Claim
from .pages import DOCS, PUBLISHED, cell, command, report_link

UNTESTED = ("not run", "out of scope")
_HEAD = "| claim | source | verdict | reason | indications |\n|---|---|---|---|---|"
Row = Mapping[str, str]


def table(way: str, published: Path = PUBLISHED) -> str:
    """The table in Markdown; ``way`` leads from the page it stands on to the published folders."""
    found: dict[str, dict[str, Row]] = {}  # the first row of each claim in each folder, by claim and folder
    for file in sorted(published.glob("*/report/claims.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                found.setdefault(row["id"], {}).setdefault(file.parents[1].name, row)
    return "\n".join([_HEAD, *(_line(claim, found.get(claim.id, {}), way) for claim in shipped())])


def _line(claim: Claim, rows: Mapping[str, Row], way: str) -> str:
    tested = {folder: row for folder, row in rows.items() if row["verdict"] not in UNTESTED}
    verdicts = [f"{row['verdict']} ({report_link(folder, folder, way)})" for folder, row in tested.items()]
    verdict = "; ".join(verdicts) or ("out of scope" if claim.scope == "out" else "not run")
    untested = (
        f"this suite lacks: {claim.needs}" if claim.needs else f"no runs at its conditions: selbench run {claim.matrix}"
    )
    reasons = [row["reason"] for row in tested.values()] or [claim.reason if claim.scope == "out" else untested]
    shown = [
        f"{row['indication_verdict']} ({report_link(folder, folder, way)})"
        for folder, row in rows.items()
        if folder not in tested and row["indication_verdict"]
    ]
    cells = (cell(claim.source.paper), verdict, cell("; ".join(reasons)), ", ".join(shown) or "none")
    return f"| {cell(claim.title)}: {cell(claim.statement)} | {' | '.join(cells)} |"


# The mark and the content of the page
PAGES = {DOCS / "claims.md": ("claims", partial(table, "../reports/published/"))}

if __name__ == "__main__":
    command("claims_table", PAGES, sys.argv[1:])
