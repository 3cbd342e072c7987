"""A timing pass with known truth for a synthetic folder, written by the format's text alone (no selbench code).

Every run trains and scores at ``RATE`` FLOPs a second, spends ``LOOP`` of its time in the loop itself, and selects
for whatever else it takes to be as slow as ``slowness`` says. A block has its own drift, shared by all its runs.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import synthetic
import tomli_w
from synthetic import _key, checksum

RATE = 5e9
LOOP = 0.02
SELECT_RATE = 1e7
"""FLOPs a second while selecting, where ``slowness`` says nothing."""

ENVIRONMENT = {
    **synthetic.ENVIRONMENT,
    "started": "2025-01-02T00:00:00+00:00",
    "finished": "2025-01-02T00:01:00+00:00",
}


def write_timing(
    root: Path,
    *,
    blocks: int = 3,
    slowness: Mapping[str, float] | None = None,
    drift: float = 0.05,
    noise: float = 0.002,
    missing: Iterable[tuple[str, int]] = (),
    machines: Mapping[int, str] | None = None,
) -> Path:
    """Add ``timing/`` to a folder that :func:`synthetic.write_results` wrote, and return the folder.

    Parameters
    ----------
    root : Path
    blocks : int
        Seeds 0 .. blocks - 1 are timed.
    slowness : mapping of label to float
        Seconds of a strategy as a multiple of those of full training.
    drift, noise : float
        Relative SD of a block, and of a run in it.
    missing : iterable of (label or kind of artefact, block)
        Runs without a record.
    machines : mapping of block to machine type, optional
        Where a block was not made on the machine of the others.
    """
    matrix = tomllib.loads((root / "matrix.toml").read_text())
    matrix["timing"] = {"seeds": blocks}
    (root / "matrix.toml").write_text(tomli_w.dumps(matrix))
    cells = [json.loads(file.read_text()) for file in sorted((root / "cells").glob("*.json"))]
    artefacts = [json.loads(file.read_text()) for file in sorted((root / "artefacts").glob("*/meta.json"))]
    whole = {cell["dataset"]: cell["ledger"]["train"]["flops"] / RATE for cell in cells if cell["arm_label"] == "full"}
    left_out = set(missing)
    for block in range(blocks):
        draw = np.random.default_rng([13, block])
        pace = 1.0 + drift * draw.standard_normal()
        runs = [_cell(cell, whole[cell["dataset"]], slowness or {}) for cell in cells if cell["seed"] == block]
        runs += [_artefact(item) for item in artefacts if item["seed"] in (None, block)]
        machine = (machines or {}).get(block, "00ff")
        for position, at in enumerate(draw.permutation(len(runs)).tolist()):
            run = runs[at]
            factor = pace * (1.0 + noise * draw.standard_normal())
            if (run["arm_label"] or run["kind"], block) not in left_out:
                _write(root, run, block, position, factor, machine)
    return root


def _cell(cell: Mapping[str, Any], whole: float, slowness: Mapping[str, float]) -> dict[str, Any]:
    lines = cell["ledger"]
    busy = {name: lines[name]["flops"] / RATE for name in ("data", "score", "reference", "train")}
    select = lines["select"]["flops"] / SELECT_RATE
    if cell["arm_label"] in slowness:
        select = slowness[cell["arm_label"]] * whole - sum(busy.values())
        assert select >= 0, "no run is faster than its own training"
    ledger = {
        name: {**lines[name], "seconds": (1 - LOOP) * seconds} for name, seconds in {**busy, "select": select}.items()
    }
    seconds = sum(busy.values()) + select
    named = {name: cell[name] for name in ("arm_label", "seed", "dataset", "reference")}
    return {"kind": "cell", "of": cell["arm"], **named, "seconds": seconds, "ledger": ledger}


def _artefact(meta: Mapping[str, Any]) -> dict[str, Any]:
    ledger = {
        name: {**line, "seconds": line["flops"] / RATE, "samples": line["samples"]}
        for name, line in meta["ledger"].items()
    }
    return {
        "kind": meta["kind"],
        "of": meta["id"],
        "arm_label": "",
        "seed": meta["seed"],
        "dataset": meta["dataset"],
        "reference": meta["name"],
        "seconds": sum(line["seconds"] for line in ledger.values()),
        "ledger": ledger,
    }


def _write(root: Path, run: Mapping[str, Any], block: int, position: int, factor: float, machine: str) -> None:
    id = _key("timing", run["kind"], run["of"], run["seed"], block)
    lines = {name: {**line, "seconds": line["seconds"] * factor} for name, line in run["ledger"].items()}
    record = {
        **run,
        "version": 1,
        "id": id,
        "block": block,
        "position": position,
        "seconds": run["seconds"] * factor,
        "ledger": lines,
        "environment": {**ENVIRONMENT, "machine": machine},
    }
    record["checksum"] = checksum(record)
    (root / "timing").mkdir(exist_ok=True)
    (root / "timing" / f"{id}.json").write_text(json.dumps(record), encoding="utf-8")
