"""What stops a run, or a part of it: signals, a full disk, memory that gives out."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import tomli_w
import torch
from pieces import listens

from selbench.harness.execution.executors.queue import error_line
from selbench.harness.store.folder import Store
from selbench.harness.tasks import cell
from selbench.harness.tasks import do as work
from selbench.strategies import UsageError


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_before_its_first_cell_and_says_how_to_go_on(tiny, tmp_path, cache_dir, number, code):
    tiny |= {"budget": {"passes": 10_000}, "references": [], "strategies": [{"name": "loss"}]}
    matrix, out = tmp_path / "tiny.toml", tmp_path / "out"
    matrix.write_text(tomli_w.dumps(tiny))
    arguments = ["run", str(matrix), "--out", str(out), "--cache-dir", str(cache_dir), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "selbench", *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    children = []
    while process.poll() is None and sum(map(listens, children)) < 2:  # both workers are inside their first task
        time.sleep(0.02)
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)  # as a terminal does
    _, err = process.communicate(timeout=600)
    assert process.returncode == code and not list((out / "cells").glob("*.json"))
    last = err.splitlines()[-1]
    assert "the same command resumes" in last and last.endswith("selbench " + " ".join(arguments))
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=600)[1]
    assert not (out / "claims").exists() and not (out / "failed").exists()


def without_room(monkeypatch, *, label, member):
    """Store.<member> finds no room on the disk for what belongs to ``label``."""
    write = getattr(Store, member)

    def full(store, record):
        if record["arm_label"] == label:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(store, record)

    monkeypatch.setattr(Store, member, full)


@pytest.mark.parametrize("failure_too", [False, True])
def test_a_full_disk_is_one_clear_line_and_the_rest_goes_on(
    train, tiny, tmp_path, monkeypatch, capsys, caplog, failure_too
):
    tiny |= {"seeds": 1, "references": [], "ladder": [1.0], "strategies": [{"name": "loss"}]}
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        without_room(patch, label="full", member="write_cell")
        if failure_too:
            without_room(patch, label="full", member="write_failed")
        done = train(tiny, tmp_path / "out")
    assert len(done.failed) == 1 and done.trained == done.planned - 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed")]
    assert line.startswith("failed: full on digits, seed 0: ") and "the disk is full: make room" in line
    assert ("cannot be written" in caplog.text) is failure_too
    assert not list((tmp_path / "out" / "cells").glob(".*")), "half a record was left"
    again = train(tiny, tmp_path / "out")
    assert again.trained == 1 and not again.failed and not list((tmp_path / "out" / "failed").glob("*"))


def test_a_record_that_finds_no_room_half_way_leaves_the_earlier_one_as_it_was(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write_timing({"id": "x", "version": 1, "seconds": 1.0})
    before = store.timing_path("x").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_timing({"id": "x", "version": 1, "seconds": 2.0})
    assert store.timing_path("x").read_bytes() == before
    assert [path.name for path in (tmp_path / "timing").iterdir()] == ["x.json"]


def test_a_folder_that_cannot_be_written_is_a_wrong_request(train, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another --out"):
        train(tiny, tmp_path / "file" / "out")


def test_memory_of_a_gpu_that_gives_out_fails_its_cell_and_says_what_to_lower(train, tiny, tmp_path, monkeypatch):
    tiny |= {"seeds": 1, "references": [], "ladder": [1.0], "strategies": [{"name": "loss"}]}

    def train_cell(worker, task):
        if task.arm.label == "loss":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return cell.train_cell(worker, task)

    monkeypatch.setattr(work, "train_cell", train_cell)
    done = train(tiny, tmp_path / "out")
    assert done.trained == done.planned - 1
    (failure,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "failed").iterdir())
    assert failure["arm_label"] == "loss" and "lower --workers" in failure["error"] and "2.00 GiB" in failure["error"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EROFS, "Read-only file system"), "read-only: make it writable"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota is used up"),
        (OSError(errno.ENOENT, "No such file", "x.pt"), "FileNotFoundError: [Errno 2] No such file: 'x.pt'"),
        (MemoryError(), "lower --workers"),
        (ValueError("two\nlines"), "ValueError: two lines"),
    ],
)
def test_what_went_wrong_is_one_line(error, says):
    assert says in error_line(error) and "\n" not in error_line(error)
