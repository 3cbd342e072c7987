"""A small folder made by a real run, and copies of published ones that may be changed."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selbench.benchmarks.pages import published_sets
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.harness.store.folder import Store
from selbench.reports.records.pack import opened as unpacked
from selbench.reports.records.sealing import checksum, open_toml, seal_toml, written

MATRIX: dict[str, Any] = {
    "name": "tiny",
    "seeds": 1,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "budget": {"passes": 1},
    "learner": {"name": "resnet8", "width": 4},
    "proxy": {"passes": 1},
    "datasets": [{"name": "digits", "options": {"limit": 150, "test_limit": 50}, "holdout": 0.2}],
    "references": [{"name": "holdout", "options": {"passes": 1}}],
    "strategies": [{"name": "static"}, {"name": "rho"}],
}


FAILED: dict[str, Any] = {
    "version": 1,
    "id": "00112233445566aa",
    "arm": "",
    "arm_label": "proxy",
    "seed": 0,
    "dataset": "digits",
    "reference": "",
    "error": "out of memory",
    "law": None,
    "traceback": "",
    "origin": "selbench 0.1.0",
    "when": "2026-01-01T00:00:00+00:00",
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """The folder as the runs left it, and a failure in it."""
    out = tmp_path_factory.mktemp("verify") / "tiny"
    done = run(
        parse(copy.deepcopy(MATRIX)),
        RunRequest(out=out, cache_dir=cache_dir, device="cpu", workers=1, executor="inline"),
    )
    assert not done.failed
    Store(out).write_failed(FAILED)
    return out


@pytest.fixture(scope="session")
def published() -> Callable[[str], Path]:
    """The folder behind what is published under a name."""
    return lambda name: unpacked(published_sets()[name])


@pytest.fixture(scope="session")
def of_few_seeds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What is published under a name without the records of most seeds, so that it is checked in a part of the time."""
    made: dict[str, Path] = {}

    def cut(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / name
            shutil.copytree(unpacked(published_sets()[name]), made[name], ignore=shutil.ignore_patterns("report"))
            for file in [*made[name].glob("cells/*.json"), *made[name].glob("timing/*.json")]:
                record = json.loads(file.read_bytes())
                if record.get("block", record.get("seed")) not in (0, 2):
                    file.unlink()
        return made[name]

    return cut


Edit = Callable[..., Path]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str | Path], tuple[Path, Edit]]:
    """Copies a folder (or a published one, by name), and gives what changes it as one would who renews checksums."""

    def open_one(source: str | Path) -> tuple[Path, Edit]:
        folder = tmp_path / "results"
        found = unpacked(published_sets().get(str(source), Path(source)))
        shutil.copytree(found, folder, ignore=shutil.ignore_patterns("report"))
        return folder, lambda *how, **which: edited(folder, *how, **which)

    return open_one


def edited(folder: Path, kind: str, act: Callable[[dict[str, Any]], object], which: Any = lambda record: True) -> Path:
    """Change the first record of a kind for which ``which`` holds, or ``matrix``; gives its file."""
    if kind == "matrix":
        path = folder / "matrix.toml"
        table, _ = open_toml(path.read_bytes())
        act(table)
        path.write_bytes(seal_toml(table))
        return path
    files = sorted((folder / kind).glob("*/meta.json" if kind == "artefacts" else "*.json"))
    path = next(file for file in files if which(json.loads(file.read_bytes())))
    record = json.loads(path.read_bytes())
    act(record)
    path.write_bytes(written({**record, "checksum": checksum(record)}))
    return path
