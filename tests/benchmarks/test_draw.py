"""Tables and figures from a small made run."""

from __future__ import annotations

import csv
import io
import json
import runpy
from xml.etree import ElementTree

import pytest

from selbench.benchmarks.draw import markdown, write
from selbench.benchmarks.timings import (
    Row,
    Run,
    best_peer,
    of_ceiling,
    of_features,
    of_grid,
    of_report,
    of_select,
    of_solver,
    of_start,
    of_tax,
)

RIGHT = {"cos": 1.0, "overlap": 1.0, "gap": 0.03, "host": True, "formed": True}
WRONG = {**RIGHT, "cos": 0.5, "overlap": 0.2}


def entry(suite, case, size, width, seconds, **info):
    about = {"suite": suite, "case": case, "size": size, "width": width, **info}
    stats = {**dict.fromkeys(("median", "q1", "q3", "min"), seconds), "rounds": 3}
    return {"name": case, "fullname": "", "extra_info": about, "stats": stats}


def rule(name, size, width, seconds, form="ours", cadence="batch"):
    return entry("select", f"{name}, {form}", size, width, seconds, strategy=name, form=form, cadence=cadence, k=128)


def solved(case, size, seconds, width=512, info=RIGHT):
    return entry("solver", case, size, width, seconds, **info)


TIMED = [
    *(solved("ours", size, seconds) for size, seconds in ((32, 4e-5), (1024, 1e-3), (2048, 2e-3), (4096, 4e-3))),
    solved("ours", 1024, 9e-4, 2048),
    solved("ours", 4096, 1.6e-2, 2048),
    *(solved("numpy.linalg.eigh", size, seconds) for size, seconds in ((32, 5e-5), (1024, 0.05), (2048, 0.1))),
    solved("quick | but wrong", 1024, 5e-4, info=WRONG),
    solved("right peer", 1024, 4e-3),
    solved("matrix-free peer", 1024, 6e-3, info={**RIGHT, "formed": False}),
    solved("forming the matrix", 1024, 3e-3, info={"host": True}),
    rule("loss", 512, 0, 1e-3),
    rule("loss", 512, 0, 2e-3, "plain"),
    rule("slow", 512, 512, 0.5),
    rule("pruning", 512, 0, 9.0, cadence="run"),
    entry("step", "ResNet-18", 512, 64, 0.099, k=128, pixels=32),
    *(entry("report", f"{size} records", size, 0, seconds, arms=20) for size, seconds in ((3000, 2.9), (10000, 9.0))),
    entry("other", "something", 10, 0, 0.25, ratio=1.5),
]
LEFT_OUT = [
    {"suite": "solver", "case": "numpy.linalg.eigh", "size": 4096, "width": 512, "reason": "about 60 s expected"}
]


@pytest.fixture
def made(tmp_path):
    """The JSON of a made run on a CPU or a GPU."""

    def make(device="cpu", load=0.1):
        facts = {
            "device": device,
            "cpu": "a CPU",
            "cores": 2,
            "threads": 2,
            "blas": ["openblas 2"],
            "versions": {"torch": "9.9"},
            "load": load,
        }
        told = {"datetime": "2026-01-02T03:04:05.678", "machine_info": {"selbench": facts}, "left_out": LEFT_OUT}
        path = tmp_path / "bench.json"
        path.write_text(json.dumps({**told, "benchmarks": TIMED}), encoding="utf-8")
        return path

    return make


def test_everything_is_written(made, tmp_path):
    files = write(made(), tmp_path / "out")
    names = ["bench.md", "bench.csv", "solver.svg", "solver.png", "select.svg", "select.png"]
    assert [file.name for file in files] == names
    assert all(file.read_bytes()[:4] == b"\x89PNG" for file in files if file.suffix == ".png")
    for file in files:
        if file.suffix == ".svg":
            assert ElementTree.parse(file).getroot().tag.endswith("svg")
    page = files[0].read_text(encoding="utf-8")
    assert "](solver.svg)" in page and "](select.svg)" in page
    assert "torch 9.9" in page and "a CPU, 2 cores" in page and "torch threads 2" in page


def test_no_figure_of_an_earlier_run_stays(made, tmp_path):
    write(made(), tmp_path)
    told = json.loads(made().read_text(encoding="utf-8"))
    told["benchmarks"] = [entry for entry in told["benchmarks"] if entry["extra_info"]["suite"] == "solver"]
    (tmp_path / "bench.json").write_text(json.dumps(told), encoding="utf-8")
    write(tmp_path / "bench.json", tmp_path)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"solver.svg"}


def test_what_was_left_out_is_said(made):
    page = markdown(Run.read(made()), {})
    assert "| numpy.linalg.eigh | 4,096 | 512 | about 60 s expected |" in page


def test_a_wrong_answer_is_marked_and_is_no_best_peer(made):
    run = Run.read(made())
    assert "0.500 †" in markdown(run, {})
    assert best_peer(run, 1024, 512).case == "right peer"


def test_forming_the_matrix_may_be_counted_in(made):
    run = Run.read(made())
    assert best_peer(run, 1024, 512, forming=True).case == "matrix-free peer"
    assert best_peer(run, 2048, 512, forming=True) is None  # forming was not timed
    assert "| best right peer, forming counted in | – | 6.00 | – | – |" in markdown(run, {})


def test_every_table_has_as_many_cells_as_its_head(made):
    widths = {}
    for number, line in enumerate(markdown(Run.read(made()), {}).splitlines()):
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|")
            assert widths.get(number - 1, cells) == cells, line
            widths[number] = cells
    assert len(widths) > 20


def test_targets_of_the_solver(made):
    found = list(of_solver(Run.read(made())))
    assert [(target.target.split(":")[0], target.met) for target in found] == [
        ("B = 1,024, d = 512", True),  # 50 times as fast as NumPy
        ("B = 2,048, d = 512", False),  # 50 times again, where 100 are asked for
        ("B = 1,024, d = 512", True),  # 4 times as fast as the best right peer
        ("B = 1,024, d = 512", True),  # 6 times, when that one has to form its matrix
        ("B = 2,048, d = 512", True),
        ("B = 4,096, d = 512", None),
        ("never slower than numpy.linalg.eigh, from B = 32 on", True),
        ("|cos| of at least 0.9999 and a shared top quarter of at least 0.99 at every size", True),
        ("cost grows as B·d at B = 4,096 (powers of at most 1.2)", True),
        ("H200-class GPU", None),
    ]
    on_gpu = list(of_solver(Run.read(made("H200"))))
    assert on_gpu[-1].met is True and on_gpu[-1].measured == "ours 0.90 ms (H200)"


def test_share_of_a_step(made):
    run = Run.read(made())
    page = markdown(run, {})
    assert "| loss | any | 1.00 | 1.00% |" in page and "| pruning | any | 9,000 | once a run |" in page
    assert "On a CPU" in page
    assert [target.met for target in of_select(run)] == [None]
    (on_gpu,) = of_select(Run.read(made("H200")))
    assert on_gpu.met is False and on_gpu.measured.startswith("over it: slow (d = 512) 83")


def test_targets_of_the_report(made):
    assert [target.met for target in of_report(Run.read(made()))] == [True, True]


def harness_run(device="cpu"):
    rows = [
        Row("tax", "small", 64, 0, 1.0, 1.0, 1.0, 1.0, 3, {"ratio": 1.02}),
        Row("tax", "large", 64, 0, 1.0, 1.0, 1.0, 1.0, 3, {"ratio": 1.05}),
        Row("ceiling", "slow", 2048, 0, 1.0, 1.0, 1.0, 1.0, 3, {"share": 0.8}),
        Row("grid", "2 workers", 2, 0, 1.0, 1.0, 1.0, 1.0, 1, {"one_worker_s": 9.0, "efficiency": 0.95}),
        Row("start", "--help", 0, 0, 1.0, 1.0, 1.0, 1.0, 1, {"ratio": 0.4, "most": 0.3}),
        Row("features", "epoch", 1_000_000, 2048, 1.0, 1.0, 1.0, 1.0, 1, {"peak": 3e9, "target": 2e9}),
    ]
    return Run("2026-01-02T03:04:05", {"device": device}, rows, [])


def test_targets_of_the_harness():
    run = harness_run()
    assert [target.met for target in of_tax(run)] == [True, False]
    assert [target.met for aims in (of_ceiling, of_grid, of_features) for target in aims(run)] == [None, True, False]
    assert [target.met for target in of_ceiling(harness_run("H200"))] == [False]
    assert [(target.measured, target.met) for target in of_start(run)] == [("0.40 times", False)]
    short = Row("grid", "few", 2, 0, 1.0, 1.0, 1.0, 1.0, 1, {"one_worker_s": 3.0})
    assert [target.met for target in of_grid(Run(run.when, run.facts, [short], []))] == [None]
    fewer = Run(run.when, run.facts, [row for row in run.rows if row.suite == "grid"], [])
    assert [target.met for aims in (of_ceiling, of_features) for target in aims(fewer)] == [None, None]


def test_other_suites_get_a_plain_table(made):
    assert "| something | 10 | 250 | 3 | 1.5 |" in markdown(Run.read(made()), {})


def test_a_suite_that_says_nothing_of_itself_is_known_by_its_file(made):
    path = made()
    told = json.loads(path.read_text(encoding="utf-8"))
    unnamed = {"name": "test_a", "fullname": "benchmarks/bench_disk.py::test_a", "extra_info": {"bytes": 7}}
    told["benchmarks"].append({**entry("", "", 0, 0, 0.5), **unnamed})
    path.write_text(json.dumps(told), encoding="utf-8")
    page = markdown(Run.read(path), {})
    assert "## Disk" in page and "| test_a |  | 500 | 3 | 7 |" in page


def test_a_busy_machine_is_said(made):
    assert "not to be relied on" in markdown(Run.read(made(load=2.0)), {})
    assert "not to be relied on" not in markdown(Run.read(made(load=0.1)), {})


def test_every_case_is_in_the_csv(made, tmp_path):
    text = write(made(), tmp_path / "out")[1].read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(TIMED) + len(LEFT_OUT)
    assert rows[-1]["left_out"] == "about 60 s expected" and rows[-1]["median_s"] == ""
    assert float(rows[0]["median_s"]) == 4e-5 and rows[0]["cos"] == "1.0"


def test_the_command_asks_for_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["draw", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match="give the JSON"):
        runpy.run_module("selbench.benchmarks.draw", run_name="__main__")
