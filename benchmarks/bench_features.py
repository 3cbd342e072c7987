"""Features larger than memory: each step that touches them, at 2,048 half-precision features a row.

Every step runs in a process of its own, which tells its peak resident memory (file pages included). The million rows
take 4.1 GB on disk, and twice that while they are extracted; ``TMPDIR`` says where.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selbench.harness.references import probe
from selbench.harness.references.base import checked
from selbench.harness.references.file import File
from selbench.harness.store import feature_memory as room
from selbench.harness.store.feature_file import Rows, write
from selbench.harness.store.folder import Store

COUNTS = (20_000, 1_000_000)
WIDTH = 2048
CLASSES = 10
BATCH = 1024
POOL = 0.9  # share of the rows that can be selected from
STEPS = 1  # steps of the optimizer that the probe takes in each of its folds; a full fit takes 100
TARGET = 2e9  # bytes that the peak should stay below
CPU = torch.device("cpu")


def labels(count: int) -> Tensor:
    return torch.randint(CLASSES, (count,), generator=torch.Generator().manual_seed(0))


def synthesise(path: Path, count: int) -> None:
    """Write rows that a linear probe can tell apart, a chunk at a time."""
    stream = torch.Generator().manual_seed(1)
    centres = 0.1 * torch.randn(CLASSES, WIDTH, generator=stream)
    with path.open("wb") as file:
        parts = labels(count).split(5000)
        chunks = ((centres[part] + torch.randn(len(part), WIDTH, generator=stream)).half() for part in parts)
        write(file, "features", chunks, count, {})


def check(path: Path, count: int) -> None:
    reference = File(str(path))
    reference.check(None)
    reference.fingerprint(None)


def extract(path: Path, count: int) -> None:
    """Read, check and write all rows into the cache, and hand them to a results folder."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        cache, results = Store(Path(folder) / "cache"), Store(Path(folder) / "results")
        images = torch.empty(count, 1, 1, 1, dtype=torch.uint8)
        extraction = File(str(path)).extract(images, labels(count), data_dir=None, device=CPU)
        cache.write_features("x", checked(extraction, count, "file"), count, {})
        results.adopt_tensors("x", cache)
        assert len(results.artefact_rows("x")) == count


def epoch(path: Path, count: int) -> None:
    rows = Rows(path)
    stream = torch.Generator().manual_seed(2)
    pool = rows.subset(torch.randperm(count, generator=stream)[: int(POOL * count)].sort().values)
    for ids in torch.randperm(len(pool), generator=stream).split(BATCH):
        pool.take(ids)


def cold_epoch(path: Path, count: int) -> None:
    """With nothing of the file in the system's memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    epoch(path, count)


def crossfit(path: Path, count: int) -> None:
    """Fit and score the probe in five folds, :data:`STEPS` steps each, without loading the rows."""
    os.environ[room.VARIABLE] = "0"
    probe.ITERATIONS = STEPS
    found = probe.crossfit(Rows(path), labels(count), CLASSES, seed=0)
    assert found.accuracy > 2 / CLASSES


STAGES: dict[str, Callable[[Path, int], None]] = {f.__name__: f for f in (check, extract, epoch, cold_epoch, crossfit)}


@pytest.fixture(scope="module", params=COUNTS, ids=str)
def given(request: pytest.FixtureRequest) -> Iterator[tuple[Path, int]]:
    count = request.param
    with tempfile.TemporaryDirectory(prefix="selbench-") as folder:
        size, there = 2 * 2 * WIDTH * count, shutil.disk_usage(folder).free
        if there < 1.2 * size:
            pytest.skip(f"{size / 1e9:.1f} GB of disk are needed at {folder}; TMPDIR names another place")
        path = Path(folder) / "features.safetensors"
        synthesise(path, count)
        yield path, count


@pytest.mark.parametrize("stage", STAGES)
def test_stage(given: tuple[Path, int], stage: str, benchmark: Any) -> None:
    """One stage in a process of its own: the time from when it is ready, and its peak memory."""
    if stage == "cold_epoch" and not hasattr(os, "posix_fadvise"):
        pytest.skip("this system cannot be asked to forget a file's pages")
    path, count = given
    command = [sys.executable, __file__, stage, str(path), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        told = json.loads(benchmark.pedantic(child.stdout.readline, rounds=1))
    size = 2 * WIDTH * count
    told |= {"suite": "features", "case": stage, "size": count, "width": WIDTH, "target": TARGET}
    told["mb_a_second"] = size / 1e6 / told["seconds"]
    benchmark.extra_info.update(told)
    print(
        f"{stage} of {count:,} rows ({size / 1e9:.2f} GB): {told['seconds']:.1f} s, peak {told['peak'] / 1e9:.2f} GB "
        f"(target {TARGET / 1e9:g}), of which {told['before'] / 1e9:.2f} before it began"
    )


def peak() -> int:
    """Bytes of this process's highest resident memory, file pages included."""
    try:  # getrusage counts the parent's as well, from before the child was another program
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":  # the process that a stage runs in
    before = peak()
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    STAGES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"seconds": time.perf_counter() - begun, "peak": peak(), "before": before}), flush=True)
