"""The figure and the tables of `selbench scale`, from a table made by hand."""

from __future__ import annotations

import copy
import io
import json
from xml.etree import ElementTree

import matplotlib
import pytest
from rich.console import Console

from selbench.reports.document.numbers import duration
from selbench.reports.document.sections.scale import span, tables
from selbench.reports.figures.scale import scale_plot
from selbench.reports.render.publish import scale_text, write_scale

FROM = "extrapolated (from batch 8)"
PHASES = ("data", "score", "reference", "select", "train", "other")
HOSTILE = "<b>|$\\frac{1}\x1b[31m"


def arm(label, seconds, ceiling, even, basis, alone=False):
    phases = {phase: {"seconds": 1.0, "flops": 1e9, "basis": basis} for phase in PHASES}
    speed = 100 / seconds
    return {
        "label": label,
        "cadence": "batch",
        "scores_learner": True,
        "mean_ratio": 0.5,
        "steps": 10,
        "phases": phases,
        "artefacts": {"seconds": 0.0, "flops": 0.0, "basis": "measured"},
        "seconds": dict.fromkeys(("marginal", "amortised", "standalone"), seconds),
        "flops": dict.fromkeys(("marginal", "amortised", "standalone"), 6e9),
        "speed_up": {name: {"seconds": speed, "flops": 1.5} for name in ("marginal", "amortised", "standalone")},
        "ceiling": {"seconds": ceiling, "flops": 1.7},
        "select_share": 0.04,
        "break_even": None if even is None else {"times": even, "seconds": even * 1e-3, "flops": even * 1e9},
        "learner_seconds_per_image": 1e-3,
        "curve": [] if alone else [[1e-3 * 10**p, speed * (1 + p / 40), ceiling] for p in range(-3, 4)],
        "basis": basis,
    }


@pytest.fixture
def table():
    arms = [
        arm("full", 100.0, 1.0, None, "measured", alone=True),
        arm("cheap", 60.0, 1.88, 0.0, "measured"),
        arm("dear", 150.0, 1.15, 5.0, FROM),
        arm("lost", 150.0, 1.15, None, FROM),
    ]
    shares = {
        "cheap": [[16, 0.02, "measured", "measured"], [64, 0.005, "measured", "measured"]],
        "dear": [[16, 0.02, "measured", FROM], [64, 0.2, FROM, FROM]],
        "lost": [[16, 0.0, "measured", "measured"], [64, 0.0, "measured", "measured"]],
    }
    crossing = {"cheap": {"0.01": {"first": True, "crossings": [[32.4, "falls"]]}}}
    crossing["dear"] = {"0.01": {"first": True, "crossings": []}}
    crossing["lost"] = {"0.01": {"first": False, "crossings": [[20.0, "rises"], [40.0, "falls"]]}}
    for levels in crossing.values():
        levels |= {"0.03": {"first": False, "crossings": []}, "0.1": {"first": False, "crossings": []}}
    return {
        "workload": {
            "title": "Digits",
            "learner_text": "ResNet-18",
            "reference_text": "resnet50",
            "features": 64,
            "amortise_over": 20,
            "unit": {"train": 3e9},
        },
        "device": {
            "kind": "measured",
            "busy": "",
            "cpu": "A CPU",
            "device": "cpu",
            "threads": 1,
            "precision": "float32",
            "torch": "2",
        },
        "batches": [{"batch": 64, "arms": arms}],
        "sweep": {"shares": shares, "passes": crossing, "skipped": []},
        "check": {
            "results": "quick",
            "timed": True,
            "target": 0.15,
            "notes": ["noisy"],
            "rows": [
                {
                    "label": "full",
                    "rung": 1.0,
                    "measured": dict.fromkeys(PHASES, 1.0),
                    "predicted": dict.fromkeys(PHASES, 1.1),
                    "seconds": {"measured": 6.0, "predicted": 6.6},
                    "ratio": 1.1,
                    "basis": "measured",
                },
            ],
        },
    }


def texts(drawing):
    root = ElementTree.fromstring(drawing.svg)
    return [item.text for item in root.iter() if item.tag.endswith("}text") and item.text]


def test_the_figure_names_what_is_measured_and_what_is_not(table):
    drawing = scale_plot(table)
    words = " ".join(texts(drawing))
    assert "extrapolated" in words and "ceiling 1.88×" in words and "ceiling 1.15×" in words
    for label in ("cheap", "dear", "lost"):
        assert label in words
    assert f"({FROM})" in drawing.description and "could save time at no learner cost" in drawing.description


def test_a_wholly_measured_workload_is_called_measured_and_another_is_not(table):
    assert "this workload, extrapolated" in texts(scale_plot(table))
    for entry in table["batches"][0]["arms"]:
        entry["basis"] = "measured"
    assert "measured" in texts(scale_plot(table))


def test_equal_tables_give_equal_bytes_and_leave_matplotlib_as_it_was(table):
    before = dict(matplotlib.rcParams)
    first, second = scale_plot(table), scale_plot(copy.deepcopy(table))
    assert first.svg == second.svg
    assert dict(matplotlib.rcParams) == before


def test_without_a_strategy_the_figure_says_so(table):
    table["batches"][0]["arms"] = table["batches"][0]["arms"][:1]
    assert "no strategy to draw" in texts(scale_plot(table))


def test_every_row_of_every_table_says_where_its_figures_are_from(table):
    for found in tables(table, every=True):
        for row in found.rows:
            assert len(row) == len(found.columns)
            if found.columns[-1].head == "figures":
                assert row[-1].startswith(("measured", "extrapolated"))
            else:
                assert "every operation measured here" in found.title


def test_the_answers_are_in_words(table):
    pays, *_, sweep, check = (found.rows for found in tables(table))
    assert [row[5] for row in pays] == ["–", "anything", "5 ms", "never"]
    assert pays[1][2] == "1.67 of 1.88×"
    assert [row[1] for row in sweep] == ["up to B ≈ 32", "at every B", "from B ≈ 20, up to B ≈ 40"]
    assert check[0][-1] == "1.10×"
    table["check"]["rows"][0]["basis"] = "extrapolated (from batch 8)"
    *_, last = tables(table)
    assert last.columns[-1].head == "figures" and last.rows[0][-2:] == ["1.10×", "extrapolated (from batch 8)"]


def printed(table, tmp_path, encoding="utf-8", width=80):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    write_scale(table, tmp_path, Console(file=stream, width=width))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_the_terminal_gets_plain_lines_with_footnotes(table, tmp_path):
    out = printed(table, tmp_path)
    assert "\x1b" not in out and "[1] " + FROM in out and "extrap. [1]" in out
    assert "1 of 1 arms within 15" in out and "Note: noisy." in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_busy_machine_is_said(table, tmp_path):
    assert "Note: this machine" not in printed(table, tmp_path)
    table["device"]["busy"] = "this machine is busy"
    assert "Note: this machine is busy." in printed(table, tmp_path)


def test_an_ascii_terminal_is_served(table, tmp_path):
    assert "up to B about 32" in printed(table, tmp_path, "ascii")


def test_the_files_are_written_and_the_json_is_the_table(table, tmp_path):
    printed(table, tmp_path)
    assert json.loads((tmp_path / "scale.json").read_text()) == table
    assert (tmp_path / "scale.md").read_text().startswith("# Digits\n")


def test_a_check_alone_needs_no_figure(table, tmp_path):
    printed({"check": table["check"]}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scale.json", "scale.md"]
    assert "scale.svg" not in (tmp_path / "scale.md").read_text()


def test_names_are_never_markup(table, tmp_path):
    table["workload"]["title"] = table["batches"][0]["arms"][1]["label"] = HOSTILE
    text = scale_text(table)
    assert "<b>" not in text and "\x1b" not in text
    for line in text.splitlines():
        if line.startswith("| "):
            assert HOSTILE not in line
    assert "\x1b" not in printed(table, tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (3.21e-6, "3.2 µs"),
        (0.0123, "12 ms"),
        (1.5, "1.5 s"),
        (120, "120 s"),
        (2e-10, "0.2 ns"),
        (9.996e-4, "1 ms"),
    ],
)
def test_durations_have_two_digits(value, text):
    assert duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.2e-6, "3.2 µs"), (12.34, "12.3 s"), (246, "4.1 min"), (96120, "26.7 h"), (32_875_200, "9,132 h")],
)
def test_spans_fit_a_narrow_column(value, text):
    assert span(value).replace("\u202f", " ") == text
