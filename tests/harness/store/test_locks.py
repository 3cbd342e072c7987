"""Claims of one run, seen by another."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from selbench.harness.store import locks
from selbench.harness.store.locks import Claims, here, locked


def left_by(folder, **said):
    """A claim on ``x`` that another process left."""
    (folder / "claims").mkdir(exist_ok=True)
    path = folder / "claims" / "x.json"
    path.write_text(json.dumps({"host": here(), "pid": os.getpid(), "began": 0.0, "token": "theirs"} | said))
    return path


def test_a_claim_is_had_by_one_until_it_is_given_back(tmp_path):
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        assert ours.take("x") and not theirs.take("x") and theirs.take("y")
        assert theirs.held("x") and not ours.held("x") and not theirs.held("z")
        said = json.loads((tmp_path / "claims" / "x.json").read_text())
        assert said["pid"] == os.getpid() and said["host"] == here() and said["when"].startswith("20")
        theirs.release("x")  # nothing of theirs: it stays
        assert theirs.held("x")
        ours.release("x")
        assert theirs.take("x")
    assert not (tmp_path / "claims").exists()


def test_the_claim_of_a_process_that_is_gone_is_taken_over_at_once(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left_by(tmp_path, pid=gone.pid)
    with Claims(tmp_path) as ours:
        assert not ours.held("x") and ours.take("x")


def test_a_process_number_that_was_given_again_is_no_sign_of_life(tmp_path):
    left_by(tmp_path, began=1.0)  # this process's number, long before it began
    with Claims(tmp_path) as ours:
        assert ours.take("x")


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_the_claim_of_another_machine_is_taken_over_once_nothing_renews_it(tmp_path, monkeypatch, content):
    path, clock = left_by(tmp_path, host="elsewhere"), SimpleNamespace(monotonic=lambda: seconds)
    if content is not None:  # half-written
        path.write_text(content)
    monkeypatch.setattr(locks, "time", clock)
    with Claims(tmp_path, stale=3.0) as ours:
        for seconds in range(0, 8, 2):  # signs of life
            os.utime(path, (seconds, seconds))
            assert not ours.take("x") and ours.held("x")
        seconds = 8.9
        assert not ours.take("x")
        seconds = 9.0
        assert ours.take("x")


def test_a_thread_renews_what_is_held(tmp_path):
    with Claims(tmp_path, beat=0.02) as ours:
        assert ours.take("x")
        path = tmp_path / "claims" / "x.json"
        os.utime(path, (0, 0))
        for _ in range(30_000):
            if path.stat().st_mtime > 0:
                return
            time.sleep(0.02)
    pytest.fail("nothing was renewed")


def test_a_folder_that_takes_no_claim_is_said_and_stops_nothing(tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with Claims(tmp_path) as ours:
        monkeypatch.setattr(Claims, "_create", full)
        assert ours.take("x")
    assert "No space left on device" in caplog.text


def many(folder, together, taken):
    """Take whatever can be had of 100 claims, each left by a process that is gone; live until all have looked."""
    claims = Claims(folder)
    together.wait()
    taken.put([id for id in map(str, range(100)) if claims.take(id)])
    together.wait()


def test_of_many_that_take_over_at_once_one_gets_each(tmp_path):
    (tmp_path / "claims").mkdir()
    for id in range(100):
        left_by(tmp_path, began=1.0).rename(tmp_path / "claims" / f"{id}.json")
    fork = multiprocessing.get_context("fork")
    together, taken = fork.Barrier(4), fork.Queue()
    processes = [fork.Process(target=many, args=(tmp_path, together, taken)) for _ in range(4)]
    for process in processes:
        process.start()
    got = [id for _ in processes for id in taken.get(timeout=600)]
    for process in processes:
        process.join()
    assert sorted(got) == sorted(map(str, range(100)))


def counted(folder, go):
    """Add one, fifty times, to a number in a file."""
    go.wait()
    for _ in range(50):
        with locked(folder):
            path = folder / "number"
            number = int(path.read_text())
            time.sleep(0.0005)
            path.write_text(str(number + 1))


def test_a_lock_keeps_others_out_between_reading_and_writing(tmp_path):
    (tmp_path / "number").write_text("0")
    fork = multiprocessing.get_context("fork")
    go = fork.Event()
    processes = [fork.Process(target=counted, args=(tmp_path, go)) for _ in range(3)]
    for process in processes:
        process.start()
    go.set()
    for process in processes:
        process.join()
    assert int((tmp_path / "number").read_text()) == 150
