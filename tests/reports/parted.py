"""Folders to merge: a whole one and what running a part of its matrix would have left, and two matrices."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tomli_w
from synthetic import checksum, write_results
from timed import write_timing

LABELS = ("gstds", "rho", "static")
EFFECTS = {"gstds": 0.2, "rho": 1.0, "static": -0.4}

IDENTITIES = {name: f"{number:016x}" for number, name in enumerate(("one", "two", "three"), 1)}


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change a folder's matrix.toml."""
    file = folder / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    change(table)
    file.write_text(tomli_w.dumps(table), encoding="utf-8")
    return folder


def reseal(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a record, and give it the checksum that goes with the change."""
    record = json.loads(file.read_text())
    change(record)
    record["checksum"] = checksum(record)
    file.write_text(json.dumps(record))


def part(whole: Path, out: Path, *, seeds: Iterable[int], labels: Iterable[str] = LABELS) -> Path:
    """What running a part of the matrix would have left: some seeds and strategies, the baselines always."""
    shutil.copytree(whole, out)
    kept, seeds = set(labels), sorted(seeds)
    table = tomllib.loads((out / "matrix.toml").read_text(encoding="utf-8"))
    twins = {arm["twin"] for arm in table["arms"] if arm["label"] in kept}
    strategies = {arm["key"] for arm in table["arms"] if arm["label"] in kept}
    arms = [
        arm
        for arm in table["arms"]
        if arm["role"] in ("full", "uniform", "full-all") or {arm["key"], arm.get("cost_of")} & (twins | strategies)
    ]
    keys = {arm["key"] for arm in arms}
    blocks = table.get("timing", {}).get("seeds", 0)
    asked = {"strategies": [label for label in table["requested"]["strategies"] if label in kept], "seeds": seeds}
    table |= {"seeds": seeds, "arms": arms, "requested": {**table["requested"], **asked}}
    table["timing"] = {"seeds": sum(seed < blocks for seed in seeds)}
    (out / "matrix.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    used = set()
    for file in out.glob("cells/*.json"):
        record = json.loads(file.read_text())
        if record["seed"] in seeds and record["arm"] in keys:
            used.update(record["artefacts"])
        else:
            file.unlink()
    for file in [*out.glob("timing/*.json"), *out.glob("failed/*.json")]:
        record = json.loads(file.read_text())
        artefact = record.get("kind", "cell") != "cell"
        mine = artefact or record.get("of", record.get("arm")) in keys
        if not mine or record.get("block", record["seed"]) not in seeds:
            file.unlink()
    return out


def whole_of(root: Path) -> Path:
    lost = {"missing": [("rho", 1)], "failed": [("gstds", 2)]}
    write_results(root, seeds=5, test_n=200, effects=EFFECTS, classes={}, **lost)
    return write_timing(root, blocks=3)


def two_of(tmp_path: Path) -> tuple[Path, Path]:
    """Two matrices over two data sets, with the same learner and analysis."""
    folders = []
    for name, dataset in (("one", "digits"), ("two", "flowers")):
        folder = write_results(tmp_path / name, datasets=(dataset,), seeds=4, test_n=100, effects=EFFECTS)
        folders.append(
            edit(folder, lambda table, name=name: table.update(name=name, title=name, identity=IDENTITIES[name]))
        )
    return folders[0], folders[1]


def set_in(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = to

    return change


def on_machine(folder: Path, machine: str) -> Path:
    """As if the folder's runs had been made on another type of machine, in other seconds."""

    def elsewhere(record: dict[str, Any]) -> None:
        record["environment"]["machine"] = machine
        for line in record["ledger"].values():
            line["seconds"] *= 3
        if "seconds" in record:
            record["seconds"] *= 3

    for file in [*folder.glob("cells/*.json"), *folder.glob("timing/*.json")]:
        reseal(file, elsewhere)
    return folder
