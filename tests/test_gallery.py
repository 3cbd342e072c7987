"""Strategies that misbehave fail their own cells, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from selbench.harness.execution.executors.local import WorkerProcess
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.strategies import UsageError
from selbench.strategies.registry import registry

pytestmark = pytest.mark.xdist_group("gallery")  # one worker, so that all are run once
MODULE = "selbench_tests_gallery"

BROKEN = {
    # name in the matrix: (class, law broken, words of the line)
    "raises-in-constructor": ("RaisesInConstructor", "constructs", "RuntimeError: no such luck"),
    "exits-in-constructor": ("ExitsInConstructor", "constructs", "SystemExit: leaving"),
    "needs-what-there-is-not": ("NeedsWhatThereIsNot", "declares", "'tomorrows_losses'"),
    "cadence-unknown": ("CadenceUnknown", "declares", "'hourly'"),
    "no-select": ("NoSelect", "declares", "has no select"),
    "raises-in-begin": ("RaisesInBegin", "runs", "begin raised KeyError"),
    "raises-in-third-epoch": ("RaisesInThirdEpoch", "runs", "ZeroDivisionError: epoch three"),
    "raises-in-observe": ("RaisesInObserve", "runs", "observe raised LookupError"),
    "reads-undeclared": ("ReadsUndeclared", "needs", "needs = {'learner'}"),
    "wrong-count": ("WrongCount", "count", "was asked for"),
    "nothing": ("Nothing", "type", "NoneType"),
    "list-of-numbers": ("ListOfNumbers", "type", "returned list"),
    "int32": ("Int32", "dtype", "int32"),
    "float-positions": ("FloatPositions", "dtype", "float64"),
    "elsewhere-device": ("ElsewhereDevice", "device", "meta"),
    "duplicates": ("Duplicates", "unique", "twice"),
    "out-of-range": ("OutOfRange", "range", "outside"),
    "negative-later": ("NegativeLater", "range", "outside"),
    "nan-weights": ("NaNWeights", "weights", "finite"),
    "negative-weights": ("NegativeWeights", "weights", "positive"),
    "writes-labels": ("WritesLabels", "inputs", "writes into labels"),
    "writes-index": ("WritesIndex", "inputs", "writes into index"),
    "writes-pool": ("WritesPoolInBegin", "inputs", "begin writes into pool.labels"),
    "writes-in-observe": ("WritesInObserve", "inputs", "observe writes into losses"),
    "hangs": ("Hangs", "time", "--cell-limit"),
    "hangs-deaf": ("HangsDeaf", "time", "--cell-limit"),
    "eats-memory": ("EatsMemory", "memory", "--memory-limit"),
    "exits": ("Exits", "runs", "select raised SystemExit"),
    "exits-at-once": ("ExitsAtOnce", "runs", "exit code 0"),
    "kills-itself": ("KillsItself", "runs", "SIGKILL"),
    "segfaults": ("Segfaults", "runs", "SIGSEGV"),
    "interrupts": ("Interrupts", "runs", "the worker process ended"),
    "spoils-the-process": ("SpoilsTheProcess", "runs", "RuntimeError: spoiled"),
}
UNUSABLE = {
    # name in the matrix: (law broken, words of the line)
    "raises-at-import": ("imports", "ModuleNotFoundError"),
    "exits-at-import": ("imports", "SystemExit"),
    "hangs-at-import": ("imports", "not done after"),
    "hangs-in-constructor": ("constructs", "not done after"),
    "outlier": ("name", "registered twice, by gallery-two"),
    "by-two": ("name", "gallery-two (selbench_tests_gallery:Rule) and selbench-gallery"),
    "newer": ("version", "asks for selbench 99.1"),
}
HARMLESS = {
    "first": "Rule",
    "prints-a-megabyte": "PrintsAMegabyte",
    "reseeds-all": "ReseedsAll",
    "view-changed-later": "ViewChangedLater",
}
HEALTHY = ("loss", "uniform")
LIMIT, GIGABYTES = 10.0, 2.0
"""Minutes and GB of a cell: more than any takes that does not hang or eat."""


def install(folder: Path, name: str, version: str, points: dict[str, str], *requires: str) -> None:
    """What pip would leave of a distribution: its metadata and entry points."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
    rows = [f"{point} = {target}" for point, target in points.items()]
    (info / "entry_points.txt").write_text("[selbench.strategies]\n" + "\n".join(rows) + "\n")


def endless_ends(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Sleep; where a plugin would for hours, its time limit rings at once, if one is set."""
    if seconds < 1000:
        return sleep(seconds)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    signal.raise_signal(signal.SIGALRM)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The gallery's distributions, on the path."""
    folder = tmp_path_factory.mktemp("gallery")
    shutil.copy(Path(__file__).parent / "plugin" / f"{MODULE}.py", folder)
    (folder / "exits_at_import.py").write_text("import sys\nsys.exit(0)\n")
    (folder / "hangs_at_import.py").write_text("import time\ntime.sleep(10_000)\n")
    points = {name: f"{MODULE}:{target}" for name, (target, *_) in BROKEN.items()}
    points |= {name: f"{MODULE}:{target}" for name, target in HARMLESS.items()}
    points |= {"raises-at-import": "no_such_module:Rule", "exits-at-import": "exits_at_import:Rule"}
    points |= {"hangs-at-import": "hangs_at_import:Rule", "hangs-in-constructor": f"{MODULE}:HangsInConstructor"}
    install(folder, "selbench-gallery", "3.1", points | {"by-two": f"{MODULE}:Rule"})
    install(folder, "gallery-two", "1", {"outlier": f"{MODULE}:Rule", "by-two": f"{MODULE}:Rule"})
    install(folder, "gallery-newer", "9", {"newer": f"{MODULE}:Rule"}, "torch>=2", "selbench>=99.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr("time.sleep", endless_ends)
        torch.set_num_threads(1)
        yield folder


def matrix(*strategies: str) -> Any:
    """A matrix of three short epochs."""
    return parse(
        {
            "name": "gallery", "seeds": 1, "batch": 16, "buckets": 2, "ladder": [1.0], "budget": {"passes": 3},
            "schedule": {"name": "fixed", "ratio": 0.5}, "learner": {"name": "resnet18", "width": 2},
            "datasets": [{"name": "digits", "options": {"limit": 96, "test_limit": 20}}],
            "strategies": [{"name": name} for name in strategies],
        }
    )  # fmt: skip


def essences(out: Path) -> dict[str, dict[str, Any]]:
    """Records by label, without seconds, memory, machine, and what names the arm."""
    found = {}
    for path in (out / "cells").glob("*.json"):
        record = json.loads(path.read_text())
        for row in [*record["ledger"].values(), *record["curve"]]:
            del row["seconds"]
        for key in ("environment", "checksum", "memory_bytes"):
            del record[key]
        found[record["arm_label"]] = record
    return found


@pytest.fixture(scope="module")
def ran(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The whole gallery with two healthy strategies in one run, and the healthy ones alone in another."""
    folder = tmp_path_factory.mktemp("ran")
    alone = RunRequest(out=folder / "alone", cache_dir=folder / "cache", device="cpu", executor="inline")
    healthy = run(matrix(*HEALTHY), alone)
    request = replace(
        alone, out=folder / "all", executor="local", workers=2, keep_going=True,
        cell_limit=LIMIT, memory_limit=GIGABYTES,
    )  # fmt: skip
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    lines: list[str] = []
    hanging = folder / "hanging"
    hanging.mkdir()

    def seconds(child: WorkerProcess) -> float:
        """The time is over as soon as a rule says that it hangs, on a machine of any speed."""
        arm = child.task.arm if child.task else None
        return LIMIT * 60 + 1 if arm is not None and (hanging / arm.name).exists() else counted(child)

    counted = WorkerProcess.seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "1000")
        patch.setenv("GALLERY_HANGING", str(hanging))
        patch.setattr(WorkerProcess, "seconds", seconds)
        patch.setattr("rich.console.Console.print", lambda _, text, **__: lines.append(str(text)))
        done = run(matrix(*BROKEN, *HARMLESS, *HEALTHY, *UNUSABLE), request)
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    failures = {}
    for path in (folder / "all" / "failed").glob("*.json"):
        failure = json.loads(path.read_text())
        failures[failure["arm_label"]] = failure
    return SimpleNamespace(folder=folder, healthy=healthy, done=done, lines=lines, failures=failures, left=left)


def test_there_are_enough_of_them() -> None:
    assert len(BROKEN) + len(UNUSABLE) + len(HARMLESS) - 1 >= 25


def test_every_other_cell_is_done_and_equal_to_that_of_a_run_without_them(ran: Any) -> None:
    alone, beside = essences(ran.folder / "alone"), essences(ran.folder / "all")
    assert len(alone) == ran.healthy.trained and set(beside) == {*alone, *HARMLESS}
    for label, record in alone.items():
        assert beside[label] == record
    assert ran.done.trained == len(beside) and len(ran.done.failed) == len(BROKEN) + len(UNUSABLE)
    misbehaving = len(BROKEN) + len(UNUSABLE) + len(HARMLESS) - 1
    print(f"counted: misbehaving plugins contained: {misbehaving}; cells beside them, as without them: {len(alone)}")


@pytest.mark.parametrize("name", BROKEN)
def test_a_line_names_the_plugin_the_law_and_the_cell(ran: Any, name: str) -> None:
    _, law, words = BROKEN[name]
    if law in ("constructs", "declares"):
        return the_line_of_an_unusable_one(ran, name, law, words)
    failure = ran.failures[name]
    assert failure["law"] == law and words in failure["error"] and failure["origin"] == "selbench-gallery 3.1"
    (line,) = [line for line in ran.lines if f" {name} on digits, seed 0" in line]
    assert f"({name} of selbench-gallery 3.1)" in line and f"law broken: {law}: " in line and "\n" not in line


@pytest.mark.parametrize("name", UNUSABLE)
def test_one_that_cannot_be_used_at_all_is_named_too(ran: Any, name: str) -> None:
    the_line_of_an_unusable_one(ran, name, *UNUSABLE[name])


def the_line_of_an_unusable_one(ran: Any, name: str, law: str, words: str) -> None:
    """Said once, and written down for its cell."""
    failure = ran.failures[f"strategy {name} on digits, seed 0"]
    assert failure["law"] == law and words in failure["error"]
    (line,) = [line for line in ran.lines if f"law broken: {law}: " in line and f"'{name}'" in line]
    assert re.search(r"gallery(-two|-newer)? ", line) and words in line and "\n" not in line


def test_what_is_contained_has_the_results_of_one_that_behaves(ran: Any) -> None:
    beside = essences(ran.folder / "all")
    for name in HARMLESS:
        for part in ("result", "selection"):
            assert beside[name][part] == beside["first"][part], name


def test_what_a_plugin_prints_goes_to_a_file_of_bounded_size(ran: Any, capfd: Any) -> None:
    logs = {path.stem: path.stat().st_size for path in (ran.folder / "all" / "logs").iterdir()}
    loud = essences(ran.folder / "all")["prints-a-megabyte"]["id"]
    assert 200_000 < logs[loud] < 300_000 and max(logs.values()) < 300_000
    assert "left out" in (ran.folder / "all" / "logs" / f"{loud}.log").read_text()[-100:]
    assert "logs/" in ran.failures["segfaults"]["error"]  # where the stack is
    assert not any("xxxx" in line or "yyyy" in line for line in ran.lines)


def test_no_process_is_left_behind(ran: Any) -> None:
    names = [" ".join(p.cmdline()) for p in map(psutil.Process, ran.left) if p.is_running()]
    assert not [name for name in names if "time.sleep" in name]
    servers = [name for name in names if "forkserver" in name or "resource_tracker" in name]
    assert len(names) == len(servers)


def test_the_state_of_this_process_is_as_it_was(ran: Any) -> None:
    assert torch.get_default_dtype() is torch.float32 and os.getcwd() != "/"


@pytest.mark.parametrize("name", [*UNUSABLE, "raises-in-constructor", "needs-what-there-is-not"])
def test_without_keep_going_nothing_is_begun(gallery: Path, tmp_path: Path, name: str) -> None:
    request = RunRequest(out=tmp_path / "out", cache_dir=tmp_path / "cache", device="cpu")
    with pytest.raises(UsageError, match="--keep-going") as caught:
        run(matrix("loss", name), request)
    assert name in str(caught.value) and "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_name_that_nobody_registered_is_a_wrong_request_whatever_was_passed(gallery: Path, tmp_path: Path) -> None:
    assert "los" not in registry("strategies").found()
    request = RunRequest(out=tmp_path / "out", cache_dir=tmp_path / "cache", device="cpu", keep_going=True)
    with pytest.raises(UsageError, match="did you mean 'loss'"):
        run(matrix("los"), request)
