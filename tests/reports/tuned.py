"""Tuning with known truth for a synthetic folder, written by the format's text alone (no selbench code).

An arm's accuracy on ``val`` falls by ``curvature`` points for each squared octave that its learning rate lies off
the arm's own best. The cells stay as they are: the folder's accuracies are those of the arms as tuned.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from synthetic import _key, checksum

BASE_LR = 0.1
FACTORS = (0.25, 0.5, 1.0, 2.0)
TUNING_SEEDS = (1000, 1001)


def write_tuning(
    root: Path,
    *,
    best: Mapping[str, float] | None = None,
    curvature: float = 1.0,
    noise: float = 0.1,
    diverged: Iterable[tuple[str, float]] = (),
    missing: Iterable[tuple[str, float, int]] = (),
) -> Path:
    """Add ``tuning/`` to a folder that :func:`synthetic.write_results` wrote, and return the folder.

    Parameters
    ----------
    root : Path
    best : mapping of label to factor, optional
        The factor at which an arm is truly best, any positive number; 1 where not named.
    curvature : float
        Points lost for each squared octave off the best learning rate.
    noise : float
        SD in points of a tuning run's own noise.
    diverged : iterable of (label, factor)
        Runs that never got a validation accuracy.
    missing : iterable of (label, factor, seed)
        Runs without a record.
    """
    matrix = tomllib.loads((root / "matrix.toml").read_text())
    matrix["tuning"] = "grid"
    matrix["grid"] = {"factors": list(FACTORS), "seeds": len(TUNING_SEEDS), "tuning_seeds": list(TUNING_SEEDS)}
    cells: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((root / "cells").glob("*.json")):
        cell = json.loads(file.read_text())
        cells.setdefault(cell["arm"], []).append(cell)
    left_out, lost = set(missing), set(diverged)
    chosen: dict[str, float] = {}
    for arm in matrix["arms"]:
        own = cells.get(arm["key"])
        if arm["role"] == "full-all" or not own:
            continue
        top = float(np.mean([cell["result"]["val_accuracy"] for cell in own]))
        optimum = (best or {}).get(arm["label"], 1.0)
        scores = {
            factor: [
                None
                if (arm["label"], factor) in lost
                else _score(arm["key"], top, factor, optimum, seed, curvature, noise)
                for seed in TUNING_SEEDS
            ]
            for factor in FACTORS
        }
        chosen[arm["key"]] = max(FACTORS, key=lambda factor: np.mean([score or 0.0 for score in scores[factor]]))
        for factor, values in scores.items():
            for seed, value in zip(TUNING_SEEDS, values, strict=True):
                if (arm["label"], factor, seed) not in left_out:
                    _write(root, arm, _base(arm["key"], chosen[arm["key"]]), own[0], seed, factor, value)
    for arm in matrix["arms"]:
        from_full = arm["role"] == "full-all"
        source = (of["key"] for of in matrix["arms"] if (of["label"], of["dataset"]) == ("full", arm["dataset"]))
        factor = chosen.get(next(source) if from_full else arm["key"], 1.0)
        arm |= {"lr": BASE_LR * factor, "lr_factor": factor, "lr_from": "full" if from_full else "val"}
        arm["base"] = _base(arm["key"], factor)
    (root / "matrix.toml").write_text(tomli_w.dumps(matrix))
    return root


def _base(key: str, factor: float) -> str:
    """An arm's key holds its learning rate, so the same arm at factor 1 has another one where it was tuned."""
    return key if factor == 1.0 else _key("base", key)


def _score(key: str, top: float, factor: float, optimum: float, seed: int, curvature: float, noise: float) -> float:
    draw = np.random.default_rng([23, *key.encode(), seed, round(100 * factor)])
    points = curvature * math.log2(factor / optimum) ** 2 - noise * draw.standard_normal()
    return min(max(top - points / 100, 0.0), 1.0)


def _write(
    root: Path,
    arm: Mapping[str, Any],
    base: str,
    cell: Mapping[str, Any],
    seed: int,
    factor: float,
    value: float | None,
) -> None:
    id = _key("tuning", base, seed, factor)
    record = {
        "version": 1,
        "id": id,
        "arm": base,
        "arm_label": arm["label"],
        **{name: arm[name] for name in ("role", "rung", "dataset", "reference")},
        "seed": seed,
        "factor": factor,
        "lr": BASE_LR * factor,
        "val_accuracy": value,
        "train_loss": None if value is None else 0.05,
        "mean_ratio": cell["selection"]["mean_ratio"],
        "selection": {"pace": []},
        "ledger": cell["ledger"],
        "artefacts": cell["artefacts"],
        "environment": cell["environment"],
    }
    record["checksum"] = checksum(record)
    (root / "tuning").mkdir(exist_ok=True)
    (root / "tuning" / f"{id}.json").write_text(json.dumps(record), encoding="utf-8")
