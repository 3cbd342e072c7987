"""Every published claim and where it stands: ``python -m selbench.benchmarks.claims_table [--write]``.

A Markdown page drawn from the claims that are shipped and from the published folders' ``claims.csv``. With ``--write``
it becomes ``reports/published/claims.md``; a test holds that file against it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..reports.questions.claims.reading import shipped
from ..reports.questions.claims.schema import Claim
from .studies_table import PUBLISHED, _cell

PAGE = PUBLISHED / "claims.md"
UNTESTED = ("not run", "out of scope")
_HEAD = """# What papers claim, and where it stands

Drawn by `python -m selbench.benchmarks.claims_table --write` from the claims and from the folders beside this page. A
verdict takes runs at the claim's own conditions; runs at others give an indication, which is no verdict.

| claim | source | verdict | reason | indications |
|---|---|---|---|---|"""

Row = Mapping[str, str]


def page(published: Path = PUBLISHED) -> str:
    """The page in Markdown."""
    found = _rows(published)
    lines = [_line(claim, found.get(claim.id, {})) for claim in shipped()]
    return "\n".join([_HEAD, *lines]) + "\n"


def _rows(published: Path) -> dict[str, dict[str, Row]]:
    """The first row of each claim in each published folder, by claim and folder."""
    found: dict[str, dict[str, Row]] = {}
    for file in sorted(published.glob("*/report/claims.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                found.setdefault(row["id"], {}).setdefault(file.parents[1].name, row)
    return found


def _line(claim: Claim, rows: Mapping[str, Row]) -> str:
    tested = {folder: row for folder, row in rows.items() if row["verdict"] not in UNTESTED}
    verdicts = [f"{row['verdict']} ({_link(folder)})" for folder, row in tested.items()]
    verdict = "; ".join(verdicts) or ("out of scope" if claim.scope == "out" else "not run")
    reasons = [row["reason"] for row in tested.values()] or [_reason(claim)]
    shown = [
        f"{row['indication_verdict']} ({_link(folder)})"
        for folder, row in rows.items()
        if folder not in tested and row["indication_verdict"]
    ]
    cells = (
        f"{_cell(claim.title)}: {_cell(claim.statement)}",
        _cell(claim.source.paper),
        verdict,
        _cell("; ".join(reasons)),
        ", ".join(shown) or "none",
    )
    return f"| {' | '.join(cells)} |"


def _reason(claim: Claim) -> str:
    """Why no published run is a test of the claim."""
    if claim.scope == "out":
        return claim.reason
    if claim.needs:
        return f"this suite lacks: {claim.needs}"
    return f"no runs at its conditions: selbench run {claim.matrix}"


def _link(folder: str) -> str:
    return f"[{folder}]({folder}/report/report.md)"


def main(arguments: Sequence[str]) -> None:
    """Print the page, or write it."""
    if list(arguments) not in ([], ["--write"]):
        sys.exit("claims_table: give nothing, or --write")
    if not arguments:
        print(page(), end="")
        return
    PAGE.write_text(page(), encoding="utf-8")
    print("written:", PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
