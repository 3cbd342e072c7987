"""Compare predictions with a results folder: the operations of its matrix, measured here, against its cells."""

from __future__ import annotations

import ast
import json
import math
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from ...strategies import UsageError
from ...strategies.registry import registry
from .. import environment
from .. import toml as strict
from ..steps.schedules import Fixed
from ..store.folder import sound
from ..toml import Named
from ..training.numerics import Numerics
from .costs import Costs
from .networks import Network, network
from .operations import Bench, busy, measure
from .predict import LEDGER, Pace, Work, predict
from .workload import Rule

TARGET = 0.15  # a prediction within this share of the measured seconds is a hit
Row = dict[str, Any]


def check(results: Path, device: torch.device, say: Callable[[str], None]) -> Row:
    """Predict every arm of a results folder that has run, from operations measured here and now.

    ``rows`` have for each arm its seconds by phase, predicted and measured, and their ratio. The timing pass is
    preferred; seconds of ordinary cells are indications.
    """
    resolved = strict.load(results / "matrix.toml")
    records = list(filter(None, map(sound, sorted((results / "cells").glob("*.json")))))
    if not records:
        raise UsageError(f"{results}: no readable cells; run its matrix first: selbench run MATRIX --out {results}")
    timings = list(filter(None, map(sound, sorted((results / "timing").glob("*.json")))))
    timings = [record for record in timings if record["kind"] == "cell"]
    roles = {arm["key"]: arm["role"] for arm in resolved["arms"]}
    against = timings or records
    notes = _notes(against, device)
    threads = torch.get_num_threads()
    torch.set_num_threads(against[0]["environment"]["threads"])
    rows: list[Row] = []
    try:
        for dataset in resolved["datasets"]:
            if own := [record for record in records if record["dataset"] == dataset["name"]]:
                rows += _dataset(results, resolved, dataset, own, timings, device, say)
    finally:
        torch.set_num_threads(threads)
    for row in rows:
        row["role"] = roles.get(row["arm"], "")
    if not timings:
        notes.append("no timing pass: seconds of ordinary cells, which may have run side by side, are indications")
    return {"results": results.name, "timed": bool(timings), "target": TARGET, "notes": notes, "rows": rows}


def _notes(records: list[Row], device: torch.device) -> list[str]:
    here = environment.describe(device, "")
    notes = []
    for key in ("machine", "device"):
        if any(record["environment"].get(key) != here[key] for record in records):
            notes.append(f"cells were measured on another {key}: their seconds cannot be compared with these")
    if len({record["environment"].get("threads") for record in records}) > 1:
        notes.append("cells were measured with different numbers of threads")
    return notes + ([busy()] if busy() else [])


def _dataset(
    results: Path,
    resolved: Row,
    dataset: Row,
    records: list[Row],
    timings: list[Row],
    device: torch.device,
    say: Callable[[str], None],
) -> list[Row]:
    arms: dict[str, list[Row]] = {}
    for record in records:
        arms.setdefault(record["arm"], []).append(record)
    net = _learner(resolved, dataset, records[0])
    epochs = max(1, math.ceil(resolved["proxy"]["passes"]))
    paces = {key: _pace(cells[0], dataset["pool"]) for key, cells in arms.items()}
    rules = {key: _rule(results, resolved, key, cells[0], paces[key]) for key, cells in arms.items()}
    widths = {rule.width for rule in rules.values() if rule is not None and "features" in rule.traits.needs} or {0}
    sizes = {size for pace in paces.values() for step in pace.steps for size in step}
    candidates = {size for pace in paces.values() for size, _ in pace.steps}
    numerics = Numerics.of(records[0]["environment"]["precision"])
    by_width: dict[int, list[str]] = {width: [] for width in sorted(widths)}
    for key, rule in rules.items():
        by_width[rule.width if rule is not None and rule.width in widths else min(widths)].append(key)
    rows: list[Row] = []
    for width, keys in by_width.items():
        bench = Bench(net, None, dataset["pool"], width, dataset["augmentation"], device, numerics, epochs)
        mine = [rule for key in keys if (rule := rules[key]) is not None]
        costs = measure(bench, mine, sizes, candidates, say)
        for key in keys:
            timed = [record for record in timings if record["of"] == key]
            rows.append(_row(arms[key], timed, rules[key], paces[key], bench, costs))
    return rows


def _row(cells: list[Row], timed: list[Row], rule: Rule | None, pace: Pace, bench: Bench, costs: Costs) -> Row:
    cell, net, sources = cells[0], bench.learner, timed or cells
    prediction = predict(rule, pace, Work(bench.images, net.forward, net.train), costs)
    predicted = {phase: spent.seconds for phase, spent in prediction.phases.items()}
    seen = {phase: statistics.median(r["ledger"][phase]["seconds"] for r in sources) for phase in LEDGER}
    if timed:
        whole = statistics.median(record["seconds"] for record in timed)
        seen["other"] = whole - sum(seen.values())
    else:  # an ordinary cell knows nothing of what stood outside its phases
        whole = sum(seen.values())
        del predicted["other"]
    total = sum(predicted.values())
    ledger = sum(cell["ledger"][phase]["flops"] for phase in LEDGER)
    return {
        "arm": cell["arm"],
        "label": cell["arm_label"],
        "dataset": cell["dataset"],
        "reference": cell["reference"],
        "rung": cell["identity"]["rung"],
        "n": len(sources),
        "measured": seen,
        "predicted": predicted,
        "seconds": {"measured": whole, "predicted": total},
        "flops": {"ledger": ledger, "predicted": prediction.own.flops},
        "ratio": total / whole,
        "basis": prediction.basis,
    }


def _pace(record: Row, pool: int) -> Pace:
    rows = record["selection"].get("pace")
    if rows is None:
        raise UsageError(f"cell {record['id']} does not say its steps: it was made by an older version; run it again")
    steps: Counter[tuple[int, int]] = Counter()
    for size, keep, times, *_ in rows:
        steps[int(size), int(keep)] += int(times)
    epochs = sum(times / (pool // size) for (size, _), times in steps.items())
    return Pace(dict(steps), math.ceil(epochs - 1e-9))


def _learner(resolved: Row, dataset: Row, record: Row) -> Network:
    """The matrix's learner; the images' channels are those that give the record's own FLOPs."""
    spec = Named(**{key: value for key, value in resolved["learner"].items() if key != "text"})
    for channels in (3, 1):
        net = network(spec, channels, dataset["resolution"], len(dataset["classes"]))
        if math.isclose(net.forward, record["unit"]["forward"], rel_tol=1e-6):
            return net
    raise UsageError(
        f"{dataset['name']}: {net.title} at {dataset['resolution']} px does not cost what the cells say; "
        "they were made by another version"
    )


def _rule(results: Path, resolved: Row, key: str, record: Row, pace: Pace) -> Rule | None:
    """The arm's strategy, made again from its text; None where it selects nothing."""
    name = next((arm["name"] for arm in resolved["arms"] if arm["key"] == key), "full")
    if name == "full":
        return None
    instance = registry("strategies").load(name, **options_of(record["identity"]["arm"]))
    return Rule(
        f"{record['arm_label']} {key}", instance, Fixed(pace.ratio), feature_width(results, record["artefacts"])
    )


def options_of(text: str) -> dict[str, Any]:
    """The keyword arguments of a strategy's ``repr``; none where it is no call of literals."""
    try:
        node = ast.parse(text, mode="eval").body
        words = node.keywords if isinstance(node, ast.Call) else []
        return {str(word.arg): ast.literal_eval(word.value) for word in words}
    except (SyntaxError, ValueError):
        return {}


def feature_width(results: Path, ids: list[str]) -> int:
    """Columns of the cached features among these artefacts and what they rest on; 0 where there are none."""
    for id in ids:
        folder = results / "artefacts" / id
        if (folder / "tensors.safetensors").exists():
            with safe_open(str(folder / "tensors.safetensors"), framework="pt") as file:
                if "features" in file.keys():  # noqa: SIM118 - not a dict
                    return int(file.get_slice("features").get_shape()[1])
        if (folder / "meta.json").exists():
            needs = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["needs"]
            if found := feature_width(results, needs):
                return found
    return 0
