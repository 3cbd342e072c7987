"""Blocks between marks, and the findings that the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selbench.benchmarks.pages import FINDINGS, Finding, block, findings, write


def test_writing_replaces_what_stands_between_the_marks_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- table -->\nold\n<!-- /table -->\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        write(page, "table", "| new |")
        text = page.read_text(encoding="utf-8")
        assert text == "before\n\n<!-- table -->\n| new |\n<!-- /table -->\n\nafter\n"
    assert block(text, "table") == "| new |"


@pytest.mark.parametrize("text", ["no marks", "<!-- table -->\nno end"])
def test_a_page_without_its_marks_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match="<!-- /table --> are missing"):
        write(page, "table", "new")
    assert page.read_text(encoding="utf-8") == text


CONTRAST = {
    **{"question": "accuracy", "dataset": "d", "strategy": "mine", "baseline": "full"},
    **{"mean_difference": 0.5, "ci_low": 0.25, "ci_high": 0.75},
}


def published(root: Path, *strategies: str) -> Path:
    keys = {"name": "gain", "dataset": "d", "rival": "full", "estimate": -1.234, "low": -2.0, "high": 0.5}
    (root / "set" / "report").mkdir(parents=True)
    studies = [{"quantities": [{**keys, "strategy": name} for name in strategies]}]
    asked = {"account": "amortised", "cost": "wall_clock", "ladder": "full"}
    summary = {"studies": studies, "contrasts": [CONTRAST], "matrix": {"pays": asked}}
    (root / "set" / "matrix.toml").touch()
    (root / "set" / "report" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return root


FINDING = Finding("set", "Does it help?", "By {} points.", "gain", "d", "mine", "full", digits=1, signed=True)


def test_a_finding_takes_its_numbers_from_the_summary(tmp_path: Path) -> None:
    drawn = findings("way/", published(tmp_path, "mine", "other"), [FINDING])
    assert drawn == "- **Does it help?** By −1.2 [−2.0, +0.5] points. ([set](way/set.md))"


def test_a_finding_may_be_a_declared_contrast(tmp_path: Path) -> None:
    finding = Finding("set", "Does it cost?", "By {}.", "accuracy", "d", "mine", "full", signed=True)
    drawn = findings("way/", published(tmp_path), [finding])
    assert drawn == "- **Does it cost?** By +0.50 [+0.25, +0.75]. ([set](way/set.md))"


@pytest.mark.parametrize("strategies", [("other",), ("mine", "mine")], ids=["none", "two"])
def test_a_finding_without_exactly_one_estimate_is_refused(tmp_path: Path, strategies: tuple[str, ...]) -> None:
    with pytest.raises(LookupError, match=f"set: {strategies.count('mine')} estimates of"):
        findings("way/", published(tmp_path, *strategies), [FINDING])


def test_the_readme_shows_at_most_eight_short_findings() -> None:
    assert len(FINDINGS) <= 8
    assert all(finding.answer.count("{}") == 1 and len(finding.answer.split()) <= 16 for finding in FINDINGS)
