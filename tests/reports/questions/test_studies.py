"""What stands around studies: checked before a run, answered and shown by the report, merged, read by claims."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from asked import QUESTION, Level, asked, study
from editing import replace
from rich.console import Console
from synthetic import write_results

from selbench.reports import questions as studies
from selbench.reports.build import build
from selbench.reports.document.sections.studies import numeric, wordy
from selbench.reports.folders.merge import merge
from selbench.reports.questions import Answer, Names, Summary
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.render.terminal import print_summary
from selbench.reports.summary import summarise

NAMES = Names(datasets=("digits",), references=("holdout",), strategies=("gstds", "rho"))
HOSTILE = "<script>alert(1)</script> | \\input{x} **b** \x1b[31m"


@pytest.fixture(autouse=True)
def level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(studies.ANALYSES, "level", Level)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A report of three studies: one answered, one with nothing but hostile names, one that cannot be read."""
    root = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(studies.ANALYSES, "level", Level)
        hostile = study(HOSTILE, f"And {HOSTILE}?")
        asked(root, [study(), hostile, study("nobody")], effects={"gstds": 0.3, HOSTILE: -1.0}, seeds=4)
        build(root)
        yield root


def test_studies_that_name_what_is_there_pass() -> None:
    studies.check([study(), study("rho")], NAMES)
    studies.check([], NAMES)


@pytest.mark.parametrize(
    ("asked_for", "says"),
    [
        ({"analysis": "levle"}, "study 2 (levle): analysis: 'levle' is unknown: did you mean 'level'?"),
        ({"analysis": "zzz"}, "study 2 (zzz): analysis: 'zzz' is unknown: take one of crossover, "),
        ({"options": {"strategy": "jest"}}, "study 2 (level): strategy: 'jest' is not in the matrix"),
        ({"options": {}}, "study 2 (level): options: give strategy, and nothing else"),
    ],
)
def test_a_study_that_cannot_be_answered_is_refused_before_the_run(asked_for: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        studies.check([study(), {**study(), **asked_for}], NAMES)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


def test_the_summary_holds_each_answer_in_the_order_of_the_matrix(made: Path) -> None:
    found = summarise(Results.read(made))["studies"]
    assert [row["question"] for row in found] == [QUESTION, f"And {HOSTILE}?", QUESTION]
    assert [row["enough"] for row in found] == [True, True, False]
    arm = next(arm for arm in summarise(Results.read(made))["arms"] if arm["label"] == "gstds")
    (quantity,) = found[0]["quantities"]
    assert quantity["estimate"] == pytest.approx(arm["accuracy"]["mean"]) and quantity["n"] == 4
    assert found[0]["tables"][0]["rows"][0][0] == "digits" and found[0]["charts"][0]["ticks"] == ["digits"]
    assert found[2]["sentence"] == "This study cannot be read (strategy: 'nobody' is not in the matrix)."
    assert json.loads((made / "report" / "summary.json").read_text(encoding="utf-8"))["studies"] == found


@pytest.mark.parametrize("options", [{"strategy": ["gstds"]}, {"strategy": {"a": 1}}, {3: 4}, {"strategy": 1e400}])
def test_options_of_another_form_are_the_reason_and_no_traceback(tmp_path: Path, options: dict[Any, Any]) -> None:
    results = Results.read(write_results(tmp_path, seeds=2))
    strange = replace(results.matrix, studies=({**study(), "options": options}, {**study(), "analysis": "nothing"}))
    for row in studies.answers(replace(results, matrix=strange), {}):
        assert not row["enough"] and row["sentence"].startswith("This study cannot be read (")


def test_a_reader_that_meets_what_no_check_saw_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaks(Level):
        def answer(self, results: Results, summary: Summary) -> Answer:
            return Answer(str(1 // len(results.failures)), enough=True)

    monkeypatch.setitem(studies.ANALYSES, "level", Breaks)
    (row,) = summarise(Results.read(asked(tmp_path, seeds=2)))["studies"]
    assert not row["enough"] and "division" in row["sentence"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("what?", "field 'studies': Input should be a list"),
        ([3], "field 'studies.0'"),
        ([{"analysis": "level"}], "field 'studies.0.question'"),
        ([{"analysis": 1, "question": "?"}], "field 'studies.0.analysis'"),
        ([{"analysis": "level", "question": "?", "options": []}], "field 'studies.0.options'"),
    ],
)
def test_a_matrix_whose_studies_have_another_form_is_refused(tmp_path: Path, value: Any, says: str) -> None:
    file = write_results(tmp_path, seeds=2) / "matrix.toml"
    file.write_text(tomli_w.dumps({**tomllib.loads(file.read_text(encoding="utf-8")), "studies": value}))
    with pytest.raises(ResultsError, match=re.escape(says)):
        Results.read(tmp_path)


def test_page_and_markdown_lead_with_question_and_answer(made: Path) -> None:
    page = (made / "report" / "index.html").read_text(encoding="utf-8")
    assert page.index('<section class="brief" id="studies"') < page.index('id="comparison"')
    assert '<li><a href="#studies">Studies</a></li>' in page
    text = (made / "report" / "report.md").read_text(encoding="utf-8")
    assert text.index(f"### {QUESTION}") < text.index("## What was run")
    sentence = summarise(Results.read(made))["studies"][0]["sentence"]
    for shown in (page, text):
        assert sentence in shown and "What gstds reached" in shown and "gstds is made up" in shown
        for number in (1, 2):
            assert (
                f"figures/study-{number}-1.svg" in shown
                and (made / "report" / f"figures/study-{number}-1.svg").exists()
            )
    assert "**This study cannot be read" not in text and 'class="finding lacking"' in page


def test_names_in_answers_are_text_wherever_they_are_shown(made: Path) -> None:
    page, text, tex = (
        (made / "report" / name).read_text(encoding="utf-8") for name in ("index.html", "report.md", "report.tex")
    )
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "<script>" not in text and "**b**" not in text and "&#60;script&#62;" in text
    assert r"\input{x}" not in tex.split("preamble", 1)[1].split("\n", 2)[2] and r"\textbackslash{}input" in tex
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", page + text + tex)


def test_the_terminal_says_question_and_answer_after_the_tables(made: Path) -> None:
    stream = io.StringIO()
    summary = summarise(Results.read(made))
    print_summary(summary, Console(file=stream, width=200))
    said = stream.getvalue()
    assert said.index("against full") < said.index(QUESTION) < said.index(summary["studies"][0]["sentence"])
    assert "\x1b" not in said


def test_a_report_without_studies_has_no_such_section(tmp_path: Path) -> None:
    build(write_results(tmp_path, seeds=2), figures=False)
    assert 'id="studies"' not in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "of this study" not in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert summarise(Results.read(tmp_path))["studies"] == []


def test_columns_of_numbers_and_columns_of_sentences() -> None:
    table = {
        "columns": ["arm", "points", "n", "said", "none"],
        "rows": [
            ["12", "\u22120.3 [\u22121.0, +0.4]", "5", "3 arms gain, and all the others are worse", ""],
            ["b", "\u2013", "6", "no", ""],
        ],
    }
    assert numeric(table) == [False, True, True, False, False]
    assert wordy(table) == [False, False, False, True, False]


def test_a_merge_asks_every_study_once_of_all_there_is(tmp_path: Path) -> None:
    """Two parts of one matrix ask what it asks; another matrix adds its own questions."""
    parts = [asked(tmp_path / name, seeds=3) for name in ("a", "b")]
    merge(tmp_path / "same", parts)
    assert Results.read(tmp_path / "same").matrix.studies == (study(),)
    other = asked(tmp_path / "other", [study(), study("rho", "And rho?")], seeds=3, datasets=("flowers",))
    file = other / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    file.write_text(tomli_w.dumps({**table, "name": "other", "identity": "feed" * 4}), encoding="utf-8")
    merged = merge(tmp_path / "both", [parts[0], other]).results
    assert merged.matrix.studies == (study(), study("rho", "And rho?"))
    first, second = summarise(merged)["studies"]
    assert [quantity["dataset"] for quantity in first["quantities"]] == ["digits", "flowers"] and second["enough"]


def claim(folder: Path, **changes: Any) -> dict[str, Any]:
    """How a claim on what :class:`Level` measures was judged."""
    plain = {"dataset": "digits", "strategy": {"label": "gstds"}, "rival": {"label": "nothing"}, "metric": "study"}
    wanted = {**plain, "quantity": "accuracy", "hypothesis": "at least", "bound": 90.0, **changes}
    test = {key: value for key, value in wanted.items() if value is not None}
    body = {"id": "mine", "title": "Mine", "statement": "Mine.", "matrix": "quick", "source": {"paper": "mine"}}
    (folder / "claims").mkdir(exist_ok=True)
    (folder / "claims" / "mine.toml").write_text(tomli_w.dumps({**body, "tests": [test]}), encoding="utf-8")
    return next(row for row in summarise(Results.read(folder))["claims"] if row["id"] == "mine")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asked(tmp_path_factory.mktemp("measured"), seeds=6)


@pytest.mark.parametrize(
    ("hypothesis", "bound", "verdict"),
    [
        ("at least", 90.0, "supported"),
        ("at most", 99.0, "supported"),
        ("at least", 99.0, "contradicted"),
        ("at most", -1.0, "contradicted"),
        ("at least", None, "inconclusive"),
    ],
)
def test_claims_read_what_a_study_measured(measured: Path, hypothesis: str, bound: float | None, verdict: str) -> None:
    (quantity,) = summarise(Results.read(measured))["studies"][0]["quantities"]
    row = claim(measured, hypothesis=hypothesis, bound=quantity["estimate"] - 0.01 if bound is None else bound)
    (test,) = row["tests"]
    assert row["verdict"] == test["verdict"] == verdict
    shown = [test[key] for key in ("estimate", "low", "high", "confidence", "n")]
    assert shown == [quantity[key] for key in ("estimate", "low", "high", "confidence", "n")]
    assert ("times the runs" in row["to_decide"]) is (verdict == "inconclusive")


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "something else"},
        {"strategy": {"label": "rho"}},
        {"rival": {"label": "gstds"}},
        {"rival": None, "baseline": "full"},
        {"dataset": "flowers"},
    ],
)
def test_a_claim_on_what_no_study_measured_is_not_run(measured: Path, changes: dict[str, Any]) -> None:
    row = claim(measured, **changes)
    assert row["verdict"] == "not run" and row["reason"]
