"""A complete results folder with known truth, written by the format's text alone (no selbench code).

The truth, in points: a run's accuracy is ``full`` + its arm's effect + a seed's effect that all arms share
+ noise of its own. ``full`` on rung q loses ``halving`` points for each halving of its budget; ``uniform``
does the same below its own effect. Costs follow the arms' keep ratios exactly.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from syntheticarms import (
    BATCH,
    CLASSES,
    EFFECTS,
    FORWARD,
    PASSES,
    POOL,
    SCORES_LEARNER,
    TRAIN,
    _arms,
    _cost_twin,
    _key,
)

TITLES = {"digits": "Digits", "cifar10": "CIFAR-10 (JPEG copy)", "flowers": "Flowers-102"}
PHASES = ("data", "score", "reference", "select", "train", "eval")
ENVIRONMENT = {
    "selbench": "0.1.0",
    "python": "3.11.9",
    "torch": "2.15.0",
    "torchvision": "0.29.0",
    "platform": "Linux",
    "cpu": "synthetic",
    "cores": 2,
    "device": "cpu",
    "threads": 1,
    "precision": "float32",
    "machine": "00ff",
    "started": "2025-01-01T00:00:00+00:00",
    "finished": "2025-01-01T00:01:00+00:00",
}


def checksum(record: Mapping[str, Any]) -> str:
    """The format's checksum, written a second time so that the reader's own is put to the test."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_results(
    path: str | Path,
    *,
    seeds: int = 8,
    datasets: Iterable[str] = ("digits",),
    references: Iterable[str] = ("holdout",),
    effects: Mapping[str, float] | None = None,
    ratios: Mapping[str, float] | None = None,
    twin_effect: float = -0.5,
    halving: float = 1.0,
    full_accuracy: float = 95.0,
    noise: float = 0.15,
    seed_effect: float = 0.4,
    margin: float = 1.0,
    test_n: int = 2000,
    primary: Iterable[str] | None = None,
    pays: Mapping[str, str] | None = None,
    collapse: Iterable[tuple[str, int]] = (),
    missing: Iterable[tuple[str, int]] = (),
    failed: Iterable[tuple[str, int]] = (),
    effects_on: Mapping[str, Mapping[str, float]] | None = None,
    noises: Mapping[str, float] | None = None,
    ladders: Iterable[str] = (),
    interval: str | None = None,
    classes: Mapping[str, Mapping[int, float]] | None = None,
    cost_twins: bool | str = True,
) -> Path:
    """Write a results folder and return its path.

    Parameters
    ----------
    path : str or Path
    seeds : int
        Seeds 0 .. seeds - 1.
    datasets, references : iterable of str
        Every strategy but ``static`` runs with every reference.
    effects : mapping of label to points
        Each strategy's true difference from ``full`` at equal passes. A label ``static`` has cadence ``run``
        and a twin of its own; labels in ``SCORES_LEARNER`` pay for scoring passes.
    ratios : mapping of label to float, optional
        Keep ratios that are not ``RATIO``.
    twin_effect : float
        True difference of uniform picks (at the same keep ratio) from ``full``, in points.
    halving : float
        Points lost for each halving of the budget.
    full_accuracy : float
        Mean accuracy of ``full``, in percent.
    noise, seed_effect : float
        SD in points of a run's own noise, and of the effect that all runs of a seed share.
    margin : float
        Points.
    test_n : int
        Test images; accuracies are whole numbers of them.
    primary : iterable of "label:question", optional
        Default: the three questions of the first label.
    pays : mapping, optional
        The ``[analysis.pays]`` table.
    collapse, missing, failed : iterable of (label, seed)
        Runs at chance accuracy, runs without a record, and runs with a failure record (on every dataset). A
        strategy's own rung goes by ``"LABEL 0.25"``.
    effects_on : mapping of dataset to mapping of label to points, optional
        Effects that are not those of the other datasets.
    noises : mapping of label to points, optional
        SD of a run's own noise where it is not ``noise``.
    ladders : iterable of label
        Strategies with a ladder of their own: runs on smaller shares of the budget (role ``rung``), which lose
        ``halving`` points for each halving.
    interval : str, optional
        The ``interval`` of ``[analysis]``; None leaves the key out.
    classes : mapping of label to mapping of class to points, optional
        Write the labels of the test images, class after class, and take these points off an arm's accuracy on these
        classes and add them to that on the others, evenly. ``""`` is every arm. None leaves the labels out.
    cost_twins : bool or "all"
        Whether each strategy with a primary ``pays``, or every one, has a cost twin: full training of its cost in the
        declared account (of its FLOPs where seconds are declared), which loses ``halving`` points for each halving.
    """
    root = Path(path)
    effects = dict(EFFECTS if effects is None else effects)
    first = next(iter(effects))
    dataset_tables, arms = [], []
    for name in datasets:
        dataset_tables.append(_dataset(name, test_n, margin))
        if classes is not None:
            dataset_tables[-1]["test_labels"] = base64.b64encode(bytes(_labels(test_n).tolist())).decode()
        own = {**effects, **(effects_on or {}).get(name, {})}
        arms += _arms(name, list(references), own, ratios or {}, twin_effect, halving, set(ladders))
    declared = [f"{first}:{q}" for q in ("accuracy", "picking", "pays")] if primary is None else list(primary)
    asked = {"account": "amortised", "cost": "total_flops", "ladder": "full", **(pays or {})}
    if cost_twins:
        paying = [arm for arm in arms if arm["role"] == "strategy" and f"{arm['label']}:pays" in declared]
        every = [arm for arm in arms if arm["role"] == "strategy"]
        arms += [_cost_twin(arm, asked, halving) for arm in (every if cost_twins == "all" else paying)]
    matrix = {
        "version": 1,
        "name": "synthetic",
        "title": "A synthetic matrix with known truth",
        "identity": "0123456789abcdef",
        "seeds": list(range(seeds)),
        "tuning": "none",
        "learner": {"name": "resnet18", "width": 16, "text": "ResNet-18, width 16 (not the standard 64)"},
        "budget": {"passes": PASSES, "batching": "fixed-candidates", "batch": BATCH},
        "analysis": {
            "alpha": 0.05,
            "amortise_over": 20,
            "primary": declared,
            "pays": asked,
            **({"interval": interval} if interval else {}),
        },
        "requested": {"strategies": list(effects), "seeds": list(range(seeds))},
        "datasets": dataset_tables,
        "arms": [{key: value for key, value in arm.items() if not key.startswith("_")} for arm in arms],
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "matrix.toml").write_text(tomli_w.dumps(matrix), encoding="utf-8")
    _write_artefacts(root, arms, seeds)
    shared = {
        (name, seed): np.random.default_rng([7, i, seed]).normal(0.0, seed_effect)
        for i, name in enumerate(datasets)
        for seed in range(seeds)
    }
    collapse, missing, failed = set(collapse), set(missing), set(failed)
    for number, arm in enumerate(arms):
        for seed in range(seeds):
            if (arm["_name"], seed) in missing:
                continue
            if (arm["_name"], seed) in failed:
                _write_failure(root, arm, seed)
                continue
            draw = np.random.default_rng([11, number, seed])
            own = draw.normal(0.0, (noises or {}).get(arm["label"], noise))
            points = full_accuracy + arm["_effect"] + shared[arm["dataset"], seed] + own
            if (arm["_name"], seed) in collapse:
                points = 100.0 / CLASSES
            lost = None if classes is None else {**classes.get("", {}), **classes.get(arm["label"], {})}
            _write_cell(root, arm, seed, min(max(points / 100.0, 0.0), 1.0), test_n, draw, lost)
    return root


def _dataset(name: str, test_n: int, margin: float) -> dict[str, Any]:
    return {
        "name": name,
        "spec": name,
        "title": TITLES.get(name, name),
        "note": "lossy copy" if name == "cifar10" else "",
        "resolution": 16,
        "augmentation": "none",
        "classes": [f"class {i}" for i in range(CLASSES)],
        "pool": POOL,
        "holdout": 400,
        "val": 100,
        "test": test_n,
        "margin": margin,
        "collapse": 0.3,
        "fingerprint": _key("data", name),
    }


def _artefact_ids(arm: Mapping[str, Any], seed: int) -> list[str]:
    if arm["role"] not in ("strategy", "rung"):
        return []
    if arm["cadence"] == "run":
        return [_key("proxy", arm["dataset"], seed)]
    return [_key("features", arm["dataset"], arm["reference"])]


def _write_artefacts(root: Path, arms: list[dict[str, Any]], seeds: int) -> None:
    def write(
        kind: str, name: str, dataset: str, seed: int | None, flops: float, needs: list[str], *key: object
    ) -> str:
        id = _key(*key)
        record = {
            "version": 1,
            "id": id,
            "kind": kind,
            "name": name,
            "dataset": dataset,
            "seed": seed,
            "ledger": {
                **{phase: {"flops": 0.0, "seconds": 0.0, "samples": 0} for phase in PHASES},
                "reference": {"flops": flops, "seconds": flops / 1e10, "samples": POOL},
            },
            "external": "" if name in ("holdout", "proxy") else "ImageNet pre-training",
            "quality": {"accuracy": 0.9} if kind == "reference" else {},
            "needs": needs,
            "environment": ENVIRONMENT,
        }
        folder = root / "artefacts" / id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        return id

    unit = TRAIN * POOL * PASSES
    for arm in arms:
        if arm["role"] != "strategy":
            continue
        name, reference = arm["dataset"], arm["reference"]
        if arm["cadence"] == "run":
            for seed in range(seeds):
                write("proxy", "proxy", name, seed, 0.1 * unit, [], "proxy", name, seed)
        else:
            trained = write("reference", reference, name, None, 0.5 * unit, [], "reference", name, reference)
            flops = FORWARD * POOL
            write("features", reference, name, None, flops, [trained], "features", name, reference)


def _write_failure(root: Path, arm: Mapping[str, Any], seed: int) -> None:
    id = _key("cell", arm["key"], seed)
    record = {
        "version": 1,
        "id": id,
        "arm": arm["key"],
        "arm_label": arm["label"],
        "seed": seed,
        "dataset": arm["dataset"],
        "reference": arm["reference"],
        "error": f"{arm['label']} returned 3 indices, 50 were asked for",
        "law": "exact count",
        "traceback": "Traceback (most recent call last): ...",
        "origin": arm["origin"],
        "when": "2025-01-01T00:00:00+00:00",
    }
    (root / "failed").mkdir(exist_ok=True)
    (root / "failed" / f"{id}.json").write_text(json.dumps(record), encoding="utf-8")


def _write_cell(
    root: Path,
    arm: Mapping[str, Any],
    seed: int,
    accuracy: float,
    test_n: int,
    draw: np.random.Generator,
    lost: Mapping[int, float] | None,
) -> None:
    id = _key("cell", arm["key"], seed)
    passes = arm.get("_passes", PASSES * arm["rung"])
    candidates = round(passes * POOL)
    trained = round(candidates * arm["_ratio"])
    scored = candidates if arm["name"] in SCORES_LEARNER else 0
    jitter = 1.0 + 0.02 * draw.standard_normal()  # seconds vary, FLOPs do not
    ledger = {
        "data": _line(0.0, candidates, jitter),
        "score": _line(FORWARD * scored, scored, jitter),
        "reference": _line(0.0, 0, jitter),
        "select": _line(1e3 * candidates if arm["role"] in ("strategy", "rung") else 0.0, candidates, jitter),
        "train": _line(TRAIN * trained, trained, jitter),
        "eval": _line(FORWARD * test_n, test_n, jitter),
    }
    correct = _correct(accuracy, test_n, draw) if lost is None else _by_class(accuracy, test_n, draw, lost)
    spent = sum(line["flops"] for name, line in ledger.items() if name != "eval")
    seconds = sum(line["seconds"] for name, line in ledger.items() if name != "eval")
    curve = [
        {
            "pass": passes * progress,
            "progress": progress,
            "train_loss": 2.3 * (1 - progress) + 0.05,
            "val_accuracy": accuracy * (0.4 + 0.6 * progress),
            "ratio": arm["_ratio"],
            "lr": 0.1 * (1 - progress),
            "seconds": seconds * progress,
            "total_flops": spent * progress,
        }
        for progress in (0.25, 0.5, 0.75, 1.0)
    ]
    steps = candidates // BATCH
    record: dict[str, Any] = {
        "version": 1,
        "id": id,
        "arm": arm["key"],
        "seed": seed,
        "arm_label": arm["label"],
        "dataset": arm["dataset"],
        "reference": arm["reference"],
        "identity": {"arm": arm["key"], "seed": seed},
        "environment": ENVIRONMENT,
        "curve": curve,
        "ledger": ledger,
        "unit": {"forward": FORWARD, "train": TRAIN},
        "scores_learner": scored > 0,
        "memory_bytes": 300_000_000,
        "artefacts": _artefact_ids(arm, seed),
        "result": {
            "test_accuracy": float(correct.mean()),
            "test_accuracy_recalibrated": float(correct.mean()),
            "test_n": test_n,
            "correct": base64.b64encode(np.packbits(correct, bitorder="big").tobytes()).decode(),
            "train_loss": 0.05,
            "val_accuracy": accuracy,
        },
        "selection": {
            "steps": steps,
            "trained_samples": trained,
            "candidate_samples": candidates,
            "mean_ratio": trained / candidates,
            "k": [[round(BATCH * arm["_ratio"]), steps]],
            "class_counts": [trained // CLASSES] * CLASSES,
            "unique": 0.95,
            "max_repeats": 14,
            "mean_picked_loss": 0.7,
            "diagnostics": {"participation": 3.5} if arm["name"] == "gstds" else {},
        },
        "faults": 0,
    }
    record["checksum"] = checksum(record)
    (root / "cells").mkdir(exist_ok=True)
    text = json.dumps(record, indent=1, sort_keys=True)
    (root / "cells" / f"{id}.json").write_text(text, encoding="utf-8")


def _line(flops: float, samples: int, jitter: float) -> dict[str, float]:
    return {"flops": flops, "seconds": (flops / 1e9 + samples * 1e-6) * jitter, "samples": samples}


def _correct(accuracy: float, test_n: int, draw: np.random.Generator) -> np.ndarray:
    """Exactly ``round(accuracy * test_n)`` right answers; hard images are hard for every run."""
    difficulty = np.linspace(0.0, 1.0, test_n) + 0.05 * draw.standard_normal(test_n)
    correct = np.zeros(test_n, dtype=bool)
    correct[np.argsort(difficulty)[: round(accuracy * test_n)]] = True
    return correct


def _labels(test_n: int) -> np.ndarray:
    return np.arange(test_n) * CLASSES // test_n


def _by_class(accuracy: float, test_n: int, draw: np.random.Generator, lost: Mapping[int, float]) -> np.ndarray:
    """Right answers by class, with noise of their own; ``accuracy`` is that of all but for rounding and noise."""
    labels, correct = _labels(test_n), np.zeros(test_n, dtype=bool)
    share = 100 * accuracy + sum(lost.values()) / CLASSES - np.array([lost.get(c, 0.0) for c in range(CLASSES)])
    for label, points in enumerate(share + draw.normal(0.0, 0.3, CLASSES)):
        ids = np.flatnonzero(labels == label)
        correct[ids[: round(min(max(points / 100, 0.0), 1.0) * ids.size)]] = True
    return correct
