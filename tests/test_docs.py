"""What the built pages have beside their text: generated parts and tables of contents."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import typer

from selbench.harness.cli.commands import app
from selbench.harness.cli.listing import GROUPS
from selbench.harness.plan.matrix import Matrix
from selbench.reports.records.models import KINDS
from selbench.strategies.interface import NEEDS, BatchLosses

ROOT = Path(__file__).parent.parent
PAGES = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(markdown: str, column: int = 0) -> set[str]:
    """The words in code in one column of all tables."""
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {word for row in rows if len(row) > column for word in re.findall(r"`([^`]+)`", row[column])}


def test_every_generated_part_has_one_page_and_the_other_way_round(generate: ModuleType) -> None:
    assert sorted(mark for text in PAGES.values() for mark in generate.MARK.findall(text)) == sorted(generate.BLOCKS)


def test_the_figure_of_a_study_is_drawn_into_its_page(generate: ModuleType) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "results").glob("*.md")]
    assert all(len(re.findall("<!-- figure", text)) == len(generate.FIGURE.findall(text)) for text in pages)
    drawn = generate.filled("before\n\n<!-- figure: study-4 study-1 -->\n\nafter")
    assert drawn.startswith("before\n\n```{raw} html\n<figure") and drawn.endswith("</figure>\n```\n\nafter")
    assert "<svg" in drawn and "what gstds gains with each reference" in drawn and "\n\n" not in drawn.split("```")[1]
    assert set(re.findall(r' id="([\w.]+-[\w.]+-)', drawn)) == {"study-4-"}
    light, dark = (re.search(rf"{start}{{(.+?)}}", drawn) for start in (r"\.drawn ", r"data-theme=dark\] \.drawn "))
    assert light and dark and set(re.findall(r"--\w+", light[1])) == set(re.findall(r"--\w+", dark[1]))


def test_the_changed_verdicts_are_counted_as_their_table_has_them() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (\d+) \|", PAGES["changed-verdicts.md"], re.MULTILINE)
    counts = {(was, now): int(n) for was, now, n in rows}
    lifted = [
        sum(n for (was, now), n in counts.items() if was == old and "ladder" in now)
        for old in ("superior", "non-inferior")
    ]
    said = "{} *superior* and {} *non-inferior*".format(*lifted)
    pays = PAGES["changed-verdicts.md"].count("| pays |")
    told = (said, f"All {pays} declared", f"{counts['inconclusive', 'worse']} *inconclusive*")
    assert all(words in PAGES["changed-verdicts.md"] for words in told) and sum(counts.values()) == 1207


def test_every_signal_is_told_with_shape_and_meaning(generate: ModuleType) -> None:
    text = generate.filled("<!-- generated: signals -->")
    assert cells(text) == NEEDS | {"needs", "losses"} | set(BatchLosses._SIGNALS) | {"k", "epoch", "progress"}
    (row,) = [line for line in text.splitlines() if line.startswith("| `learner_features`")]
    assert "`[B, h]`" in row and "penultimate" in row and "`gradmatch`" in row
    assert ":func:" not in text and "``" not in text


def test_every_command_is_told_with_its_options(generate: ModuleType) -> None:
    text, commands = generate.commands(), typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == sorted(commands)
    rows = {line.split(" | ")[0].strip("| `") for line in text.splitlines() if line.startswith("| `")}
    assert {", ".join(p.opts) for command in commands.values() for p in command.params} - {"--help"} == rows
    assert "| `--workers` | whole number |" in text and "| `--executor` | text; default `local` |" in text


def test_every_key_and_field_is_told_with_type_limits_and_default(generate: ModuleType) -> None:
    keys = generate.matrix_keys()
    assert set(Matrix.model_fields) <= cells(keys)
    assert "| `batch` | whole number | ≥ 2 | `128` |" in keys and "| `name` | text |  | required |" in keys
    fields = generate.records()
    for kind in KINDS.values():
        assert f": {kind.__name__}\n" in fields
        assert {field.alias or name for name, field in kind.model_fields.items()} <= cells(fields)
    assert "fresh scores, at cadence `epoch`" in fields and "| `seed` | whole number or null |" in fields


def test_every_group_of_entry_points_is_told(generate: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["entry-points"]) == {f"selbench.{group}" for group in GROUPS}
    assert {f"selbench.{group}" for group in GROUPS} <= cells(generate.entry_points())
    assert {"gstds", "resnet8", "ray"} <= cells(generate.entry_points(), 2)


def test_the_public_names_exist(generate: ModuleType) -> None:
    assert ".. autoclass:: selbench.strategies.interface.BatchLosses" in generate.python()


def test_the_version_is_told_once_and_the_same_everywhere() -> None:
    from selbench import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert (
        re.findall(r"^## ([\d.]+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
        == __version__
    )
