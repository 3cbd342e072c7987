"""The table of claims: a verdict or the reason for none for every one, drawn from the folders and from nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

from selbench.benchmarks.claims_table import PAGES, pages, table
from selbench.benchmarks.pages import DOCS, block
from selbench.harness.cli.claims import judged, published_sets
from selbench.reports.questions.claims.reading import shipped


def folder(root: Path, name: str, **claims: tuple[str, str]) -> None:
    (root / name / "report").mkdir(parents=True)
    (root / name / "matrix.toml").touch()
    with (root / name / "report" / "claims.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "verdict", "reason", "indication_verdict"])
        for claim, (verdict, indication) in claims.items():
            writer.writerow([claim.replace("_", "-"), verdict, "because", indication])


def line(drawn: str, title: str) -> list[str]:
    (found,) = [row for row in drawn.splitlines() if row.startswith(f"| [{title}](")]
    return [cell.strip() for cell in found.strip("|").split(" | ")]


def test_every_claim_has_a_verdict_or_the_reason_for_none(tmp_path: Path) -> None:
    drawn = table("way/", tmp_path)
    for claim in shipped():
        cells = line(drawn, claim.title)
        assert cells[2] == ("out of scope" if claim.scope == "out" else "not run")
        assert len(cells[3]) > 10 and cells[4] == "none"


def test_verdicts_stand_before_indications_and_name_their_folders(tmp_path: Path) -> None:
    folder(tmp_path, "large", gstds_4x=("contradicted", ""))
    folder(tmp_path, "small", gstds_4x=("not run", "supported"), saln_8x=("not run", "inconclusive"))
    titles = {claim.id: claim.title for claim in shipped()}
    drawn = table("way/", tmp_path)
    cells = line(drawn, titles["gstds-4x"])
    assert cells[2:] == [
        "contradicted ([large](way/large/report.md))",
        "because",
        "supported ([small](way/small/report.md))",
    ]
    cells = line(drawn, titles["saln-8x"])
    assert cells[2] == "not run" and cells[3].startswith("no runs at its conditions: selbench run ")
    assert cells[4] == "inconclusive ([small](way/small/report.md))"


def test_the_page_holds_what_the_command_draws() -> None:
    for page, (name, draw) in PAGES.items():
        assert block(page.read_text(encoding="utf-8"), name) == draw()


def test_each_claim_has_the_page_that_the_command_draws() -> None:
    drawn = dict(pages(judged(published_sets()), "../../reports/published/"))
    assert {file.name: file.read_text(encoding="utf-8") for file in (DOCS / "claims").iterdir()} == drawn
    assert "](claims/gstds-4x.md)" in (DOCS / "claims.md").read_text(encoding="utf-8")
