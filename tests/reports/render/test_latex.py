"""report.tex compiles, whatever names plugins, data sets and files bring, and says what the summary says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from synthetic import write_results
from timed import write_timing

from selbench.reports.document.numbers import brief
from selbench.reports.document.text import clean
from selbench.reports.records.folder import Results
from selbench.reports.render.latex import escape, render
from selbench.reports.summary import summarise

from .test_flat_tables import claim

ENGINE = shutil.which("pdflatex") or shutil.which("lualatex")
HOSTILE = [
    r"\input{/etc/passwd}",
    r"\end{tabular}\write18{ls}",
    "%comment",
    "[2em] option",
    "*starred",
    "a & b \\\\ c # ^ _ ~ $ { }",
    "^^5cinput x",
    "\x1b[31mred\x00\u202e",
    "line\nline\r\n\n\nparagraph",
    "-- --- ,, '' `` ?` !` << >> \" |",
    "\u00e9\u0151\u0161\u00fc\u00df\u0141 \u03b1\u03c2\u0376\u03a9 \u4e2d\u6587 \U0001f600 \u2212\u00d7\u00b1\u202f%",
    "\ud800 lone",
    "i\u0307\u0327 \u1e69 \u0131\u0301",
]
WORDS = """
begin end caption centering label footnotesize setlength tabcolsep toprule midrule bottomrule cmidrule multicolumn emph
raggedright tabularnewline textwidth pm times symbol nobreakspace textbackslash textasciicircum textasciitilde
textasciigrave textless textgreater textbar textendash textemdash ldots ss ae AE oe OE o O l L i S u r H v c cdot circ
le ge approx infty to alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon
phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
COMMANDS = {*WORDS.split(), *"\\{}$&#%_,`'^~=.\""}
"""Every command that may stand in the file."""

TOKEN = re.compile(r"\\([A-Za-z]+|[^A-Za-z])|%[^\n]*|.|\n", re.DOTALL)


def tokens(tex: str) -> Iterator[tuple[str, str]]:
    """``(kind, text)``: command, special or text, comments left out."""
    for found in TOKEN.finditer(tex):
        text = found.group()
        if text.startswith("\\"):
            yield "command", found.group(1)
        elif not text.startswith("%"):
            yield ("special" if text in "{}$&#_^~[]" else "text"), text


def check(tex: str) -> None:
    """A LaTeX reader's first complaints: unbalanced groups and tables, rows of another width, unknown commands."""
    assert tex.isascii() and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", tex)
    depth, maths, columns, cells, stack = 0, False, 0, 0, []
    stream = list(tokens(tex))
    for at, (kind, text) in enumerate(stream):
        if kind == "command":
            assert text in COMMANDS, f"\\{text}"
            if text in ("begin", "end"):
                name = "".join(part for _, part in stream[at + 2 : at + 10]).split("}")[0]
                if text == "begin":
                    stack.append(name)
                    if name == "tabular":
                        columns, cells = column_count(stream[at + 3 + len(name) :]), 1
                else:
                    assert stack.pop() == name
            elif text == "multicolumn":
                cells += int(stream[at + 2][1]) - 1
            elif text in ("\\", "tabularnewline") and "tabular" in stack:
                assert cells == columns, "a row of another width"
                cells = 1
                following = next(part for _, part in stream[at + 1 :] if not part.isspace())
                assert following not in "[*", "taken for an option of the row's end"
        elif text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
            assert depth >= 0
        elif text == "$":
            maths = not maths
        elif text == "&":
            assert "tabular" in stack and depth == 0 and not maths
            cells += 1
        elif text in "_#~":
            raise AssertionError(f"unescaped {text}")
        elif text == "^":
            assert maths
        elif text == "\n":
            assert not maths
    assert depth == 0 and not maths and not stack


def column_count(stream: list[tuple[str, str]]) -> int:
    depth, count = 0, 0
    for kind, text in stream:
        if text in "{}" and kind == "special":
            depth += 1 if text == "{" else -1
            if depth == 0:
                return count
        elif depth == 1 and kind == "text" and text in "lrcp":
            count += 1
    raise AssertionError("a table without columns")


def decoded(tex: str) -> str:
    """What an escaped text prints, for ASCII."""
    words = {"textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<", "textgreater": ">"}
    words |= {"textbar": "|", "textasciigrave": "`"}
    for word, sign in words.items():
        tex = tex.replace(f"\\{word}{{}}", f"\0{ord(sign)};")
    tex = tex.replace("\\symbol{34}", '"')
    tex = re.sub(r"\\([{}$&#%_])", lambda found: f"\0{ord(found.group(1))};", tex)
    assert not re.search(r"[\\$&#%_~^]", tex)
    tex = re.sub(r"\{([\[\]*]?)\}", r"\1", tex)
    assert not re.search(r"[{}]", tex)
    return re.sub("\0(\\d+);", lambda found: chr(int(found.group(1))), tex)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_ascii_text_is_printed_as_it_is(text: str) -> None:
    assert decoded(escape(text)) == text


@given(st.text())
def test_any_text_becomes_ascii_that_does_nothing(text: str) -> None:
    check(escape(text))
    if text.isalpha() and text.isascii():
        assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("\u00e9", r"\'{e}"),
        ("e\u0301", r"\'{e}"),
        ("\u0151", r"\H{o}"),
        ("\u03b1\u03a9", r"$\alpha$$\Omega$"),
        ("\u221212", "$-$12"),
        ("\u4e2d", "{[}U+4E2D{]}"),
        ("--", "-{}-"),
        ("a\nb", "a b"),
        ("\x1b", "?"),
    ],
)
def test_signs_have_their_commands(text: str, tex: str) -> None:
    assert escape(text) == tex


POOLED: dict[str, Any] = {
    "reference": "holdout",
    "question": "pays",
    "baseline": "full ladder",
    "account": "amortised",
    "cost": "total_flops",
    "ladder": "full",
    "primary": True,
    "n_datasets": 2,
    "datasets": [],
    "mean_difference": -1.25,
    "ci_low": -2.0,
    "ci_high": -0.5,
    "confidence": 0.9,
    "df": 9.3,
    "p_superior": 0.99,
    "probability_of_improvement": {"estimate": 0.1, "ci_low": 0.0, "ci_high": 0.3},
    "costs": {"amortised": {"total_flops": {"ratio": 0.52, "ci_low": 0.5, "ci_high": 0.54}}},
}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A rich summary: two data sets with two references, a timing pass, claims and pooled effects."""
    folder = tmp_path_factory.mktemp("r")
    two = {"datasets": ("digits", "flowers"), "references": ("holdout", "resnet18")}
    found = summarise(Results.read(write_timing(write_results(folder, seeds=4, test_n=100, **two))))
    return json.loads(json.dumps(found | {"claims": [claim()], "pooled": [{**POOLED, "strategy": "gstds"}]}))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every table of ``summary`` once, with as few rows as will do."""
    how = {"effects": {"gstds": 0.1}, "seeds": 3, "test_n": 100}
    found = summarise(Results.read(write_timing(write_results(tmp_path_factory.mktemp("s"), **how))))
    return json.loads(json.dumps(found | {"claims": [claim()], "pooled": [{**POOLED, "strategy": "gstds"}]}))


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The summary with untrusted names in place of its own, wherever they stand as a value."""
    if isinstance(value, dict):
        return {key: renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_tables_hold_what_the_summary_holds(summary: dict[str, Any]) -> None:
    tex = render(summary)
    check(tex)
    labels = re.findall(r"\\label\{([^}]*)\}", tex)
    assert len(labels) == len(set(labels)) and all(re.fullmatch(r"tab:[a-z0-9-]+", label) for label in labels)
    assert [label.removeprefix("tab:synthetic-") for label in labels] == [
        *(f"main-{panel}" for panel in ("1a", "1b", "2a", "2b")),
        "declared",
        "pooled",
        *(f"costs-{panel}" for panel in ("1a", "1b", "2a", "2b")),
        "claims",
    ]
    for arm in summary["arms"]:
        if arm["role"] == "strategy":
            assert f"{arm['label']} & {arm['accuracy']['mean']:.2f} $\\pm$ {arm['accuracy']['sd']:.2f} &" in tex
    declared = [row for row in summary["contrasts"] if row["primary"]]
    table = tex.split("synthetic-declared")[1].split(r"\end{table}")[0]
    rows = [line for line in table.splitlines() if line.startswith("gstds")]
    assert len(rows) == len(declared) == 12
    for row, contrast in zip(rows, declared, strict=True):
        assert f"gstds ({contrast['reference']})" in row and row.endswith(f"& {brief(contrast['verdict'])} \\\\")
        assert f"{abs(contrast['mean_difference']):.2f}" in row
    assert r"52$\times$" in tex and r"title (=paper) & \raggedright verdict & \raggedright reason" in tex


def test_claims_that_the_runs_say_nothing_about_are_counted_not_listed(summary: dict[str, Any]) -> None:
    small = {"verdict": "contradicted", "text": "at width 8"}
    unheard = [claim(title="unheard", verdict=verdict) for verdict in ("not run", "out of scope")]
    claims = [claim(), claim(title="smaller", verdict="not run", indication=small), *unheard]
    tex = render(summary | {"claims": claims})
    check(tex)
    assert "Of 4 encoded, those 2 that" in tex and "unheard" not in tex
    assert r"smaller (=paper) & \raggedright not run; smaller runs: contradicted & \raggedright at width 8" in tex


def test_what_is_not_there_has_no_table(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=2, test_n=50, effects={"gstds": 0.0}, primary=())
    found = summarise(Results.read(folder)) | {"claims": [], "pooled": []}
    tex = render(found)
    check(tex)
    assert tex.count(r"\begin{table}") == 2
    for record in (folder / "cells").glob("*.json"):
        record.unlink()
    check(render(summarise(Results.read(folder)) | {"claims": [], "pooled": []}))


@settings(max_examples=25)
@given(st.text(), st.text(), st.text())
@example(*HOSTILE[:3])
@example(*HOSTILE[3:6])
@example(*HOSTILE[6:9])
@example(*HOSTILE[9:12])
def test_no_name_breaks_a_table(small: dict[str, Any], label: str, title: str, reference: str) -> None:
    names = {"gstds": label, "Digits": title, "holdout": reference, "synthetic": title, "title": label}
    check(render(renamed(small, names)))


def test_the_names_stand_in_every_table(summary: dict[str, Any], small: dict[str, Any]) -> None:
    kinds = [{label.split("-")[1] for label in re.findall(r"tab:(\S+)\}", render(of))} for of in (summary, small)]
    assert kinds[0] == kinds[1] and len(kinds[0]) == 5


def test_long_names_are_cut_and_others_whole(summary: dict[str, Any]) -> None:
    tex = render(renamed(summary, {"gstds": "g" * 100, "rho": "r" * 40}))
    assert "g" * 39 + r"\ldots{}" in tex and "g" * 40 not in tex and "r" * 40 + " &" in tex


def test_the_check_can_fail(summary: dict[str, Any]) -> None:
    tex = render(summary)
    for name in HOSTILE:
        if name.isascii() and clean(name) == name and name not in ("-- --- ,, '' `` ?` !` << >> \" |", "%comment"):
            with pytest.raises(AssertionError):
                check(tex.replace("\ngstds &", f"\n{name} &"))


@pytest.mark.skipif(ENGINE is None, reason="no LaTeX here")
def test_latex_takes_it(summary: dict[str, Any], tmp_path: Path) -> None:
    labels = dict(zip(("gstds", "rho", "loss", "static", "Digits", "holdout"), HOSTILE, strict=False))
    more = dict(zip(("Flowers-102", "resnet18", "title", "uniform", "full", "reason"), HOSTILE[6:], strict=False))
    (tmp_path / "report.tex").write_text(render(renamed(summary, labels | more)), encoding="ascii")
    letters = "".join(map(chr, range(0x20, 0x250))) + "".join(map(chr, range(0x370, 0x400))) + HOSTILE[-1]
    document = [r"\documentclass{article}\usepackage{booktabs}\begin{document}", escape(letters), r"\input{report.tex}"]
    (tmp_path / "main.tex").write_text("\n".join([*document, r"\end{document}"]), encoding="ascii")
    command = [ENGINE, "-draftmode", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
