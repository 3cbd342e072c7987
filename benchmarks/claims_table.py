"""Every published claim and where it stands: ``python -m selbench.benchmarks.claims_table [--write]``.

Drawn from the claims that are shipped and from the published folders' ``claims.csv``: a Markdown table, and a page for
each claim. With ``--write`` the table goes between the marks ``<!-- claims -->`` of ``docs/claims.md`` and the pages
into ``docs/claims/``; a test holds all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ..harness.cli.claims import UNTESTED, Fact, Found, Row, facts, judged, published_sets, reasons, standing
from ..reports.questions.claims.reading import shipped
from ..reports.questions.claims.schema import Claim
from .pages import DOCS, PUBLISHED, cell, command, report_link

_HEAD = "| claim | source | verdict | reason | indications |\n|---|---|---|---|---|"


def table(way: str, published: Path = PUBLISHED) -> str:
    """The table in Markdown; ``way`` leads from the page it stands on to the published folders."""
    found = judged(published_sets(published))
    return "\n".join([_HEAD, *(_line(claim, found.get(claim.id, {}), way) for claim in shipped())])


def _line(claim: Claim, rows: Mapping[str, Row], way: str) -> str:
    shown = [
        f"{row['indication_verdict']} ({report_link(folder, folder, way)})"
        for folder, row in rows.items()
        if row["verdict"] in UNTESTED and row["indication_verdict"]
    ]
    verdict = "; ".join(_linked(fact, way) for fact in standing(claim, rows))
    cells = (cell(claim.source.paper), verdict, cell("; ".join(reasons(claim, rows))), ", ".join(shown) or "none")
    return f"| [{cell(claim.title)}](claims/{claim.id}.md): {cell(claim.statement)} | {' | '.join(cells)} |"


def _linked(fact: Fact, way: str) -> str:
    return f"{cell(fact.text)} ({report_link(fact.folder, fact.folder, way)})" if fact.folder else cell(fact.text)


def pages(found: Found, way: str) -> Iterator[tuple[str, str]]:
    """The page of each claim: its file's name and its text."""
    for claim in shipped():
        parts = [f"# {cell(claim.title)}", f"`selbench claim {claim.id}` prints this page. [All claims](../claims.md)."]
        for heading, lines in facts(claim, found.get(claim.id, {})).items():
            parts += [f"## {heading}", "\n".join(f"- {_linked(fact, way)}" for fact in lines)]
        yield f"{claim.id}.md", "\n\n".join(parts) + "\n"


# The mark and the content of the page
PAGES = {DOCS / "claims.md": ("claims", partial(table, "../reports/published/"))}

if __name__ == "__main__":
    command("claims_table", PAGES, sys.argv[1:])
    if sys.argv[1:]:
        (DOCS / "claims").mkdir(exist_ok=True)
        for name, text in pages(judged(published_sets()), "../../reports/published/"):
            (DOCS / "claims" / name).write_text(text, encoding="utf-8")
