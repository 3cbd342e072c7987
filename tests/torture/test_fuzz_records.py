"""Records of any content: a summary, in which what cannot be used is named, or one line that says what is wrong."""

from __future__ import annotations

import json
import random
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from fuzzing import CASES, VALUES, damaged, fuzz, mutated, told

from selbench.benchmarks.pages import published_sets
from selbench.reports.build import build
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.records.pack import opened
from selbench.reports.records.sealing import checksum
from selbench.reports.summary import summarise

LABELS = ("full", "uniform", "gstds", "static", "uniform, each run")
KINDS = ("cells", "timing", "tuning", "artefacts", "failed")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of some arms of two published folders: real records, few enough to be judged ten thousand times."""
    return [smaller(opened(published_sets()[name]), tmp_path_factory.mktemp(name)) for name in ("quick", "quick-tuned")]


def smaller(source: Path, target: Path) -> Path:
    table = tomllib.loads((source / "matrix.toml").read_text(encoding="utf-8"))
    table.pop("checksum", None)  # of the whole table
    table["arms"] = [arm for arm in table["arms"] if arm["label"] in LABELS]
    table["seeds"] = table["requested"]["seeds"] = table["seeds"][:2]
    table["requested"]["strategies"] = [name for name in table["requested"]["strategies"] if name in LABELS]
    table["analysis"]["primary"] = [text for text in table["analysis"]["primary"] if text.split(":")[0] in LABELS]
    arms = {arm["key"] for arm in table["arms"]} | {arm.get("base") for arm in table["arms"]}
    (target / "matrix.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    for file in sorted(source.glob("*/*.json")) + sorted(source.glob("artefacts/*/*.json")):
        record = json.loads(file.read_bytes())
        seed = record.get("block", record.get("seed"))
        kept = file.is_relative_to(source / "tuning") or seed is None or seed in table["seeds"]
        if kept and (record.get("of", record.get("arm")) in arms or "artefacts" in file.parts):
            copied = target / file.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
    failure = {"version": 1, "id": "0" * 16, "arm": sorted(arms)[0], "arm_label": "gstds", "seed": 1, "origin": "",
               "dataset": "digits", "reference": "holdout", "error": "loss is NaN", "law": None,
               "traceback": "", "when": "2025-01-01T00:00:00+00:00"}  # fmt: skip
    (target / "failed").mkdir()
    (target / "failed" / f"{'0' * 16}.json").write_text(json.dumps(failure))
    return target


def judged(folder: Path, without: set[tuple[Path, str]] | None = None) -> str:
    """What came of a folder. One that lacks only a record that it lacked before is told by ``without``."""
    try:
        results = Results.read(folder)
        lacks = (folder, *(item.file for item in results.unreadable))
        if without is None or len(lacks) != 2 or lacks not in without:
            text = json.dumps(summarise(results), allow_nan=False)
            assert text
            if without is not None and len(lacks) == 2:
                without.add(lacks)
    except ResultsError as error:
        told(error)
        return "refused"
    for item in results.unreadable:
        told(ResultsError(f"{item.file}: {item.reason}"))
    return "judged, with records left out" if results.unreadable else "judged"


@contextmanager
def changed(file: Path, content: bytes) -> Iterator[None]:
    whole = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(whole)


def picked(numbers: random.Random, folder: Path) -> Path:
    """A record: each kind as often."""
    kinds = [found for kind in KINDS if (found := sorted(folder.glob(f"{kind}/**/*.json")))]
    return numbers.choice(numbers.choice(kinds))


def unsound(numbers: random.Random, record: dict[str, Any]) -> bytes:
    """A record changed in some places under a checksum that vouches for them."""
    for _ in range(numbers.choice((1, 1, 1, 2, 3))):
        record = mutated(numbers, record)
    if not isinstance(record, dict):
        return json.dumps(record, default=str).encode()
    if "checksum" in record:
        record["checksum"] = checksum(record)
    return json.dumps(record, default=str).encode()


def test_bytes_of_records(folders: list[Path]) -> None:
    without: set[tuple[Path, str]] = set()

    def case(numbers: random.Random) -> str:
        folder = numbers.choice(folders)
        file = picked(numbers, folder)
        with changed(file, damaged(numbers, file.read_bytes())):
            return judged(folder, without)

    assert "judged, with records left out" in fuzz("record bytes", case, count=CASES)


def test_structures_of_records(folders: list[Path]) -> None:
    without: set[tuple[Path, str]] = set()

    def case(numbers: random.Random) -> str:
        folder = numbers.choice(folders)
        file = picked(numbers, folder)
        with changed(file, unsound(numbers, json.loads(file.read_bytes()))):
            return judged(folder, without)

    assert len(fuzz("record structures", case)) > 1


def test_resolved_matrices(folders: list[Path]) -> None:
    def case(numbers: random.Random) -> str:
        folder = numbers.choice(folders)
        with changed(folder / "matrix.toml", other_matrix(numbers, folder / "matrix.toml")):
            return judged(folder)

    assert len(fuzz("resolved matrices", case, count=max(20, CASES // 2))) > 1


def other_matrix(numbers: random.Random, file: Path) -> bytes:
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    for _ in range(numbers.choice((1, 1, 2, 3))):
        table = mutated(numbers, table)
    try:
        return tomli_w.dumps(table).encode()
    except (TypeError, ValueError, AttributeError):
        return damaged(numbers, file.read_bytes())


def test_whole_reports(folders: list[Path]) -> None:
    """Pages too, of records that a checksum vouches for, or under a matrix that was changed.

    Figures take most of the time, and are drawn only where there are thousands of cases.
    """

    def case(numbers: random.Random) -> str:
        folder = numbers.choice(folders)
        file = numbers.choice((picked(numbers, folder), folder / "matrix.toml"))
        toml = file.suffix == ".toml"
        content = other_matrix(numbers, file) if toml else unsound(numbers, json.loads(file.read_bytes()))
        with changed(file, content):
            try:
                assert build(folder, figures=CASES >= 1000).stat().st_size > 10_000
            except ResultsError as error:
                told(error)
                return "refused"
        return "written"

    fuzz("whole reports", case, count=max(1, CASES // 100), patience=120)


def test_the_folders_are_sound(folders: list[Path]) -> None:
    assert len(VALUES) > 40
    for folder in folders:
        assert judged(folder) == "judged"
        assert summarise(Results.read(folder))["cells"]["missing"] == 0
