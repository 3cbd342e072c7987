"""``selbench scale``: from a request to one table of plain values, fit for JSON and for the reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...strategies import UsageError
from .. import environment
from ..steps.budget_matched import paced
from ..steps.pacer import Pacer
from ..steps.schedules import Fixed
from ..toml import Named
from . import profile as profiles
from . import workload as workloads
from .check import check
from .costs import Costs
from .networks import Network, network
from .operations import Bench, busy, measure
from .predict import (
    Prediction,
    Spent,
    Work,
    break_even,
    ceiling_flops,
    ceiling_seconds,
    crossings,
    pace_of,
    predict,
    speed_up,
)
from .rules import Rule, rules_of
from .workload import Workload

LEVELS = (0.01, 0.03, 0.10)
"""Shares of the time lost to ``select`` whose candidate batches are looked for."""

SWEEP = [2**power for power in range(4, 17)]
"""Candidate batches at which that share is computed."""

SCALES = [10 ** (power / 8) for power in range(-24, 25)]
"""Learners from a thousandth to a thousand times the workload's."""

TRIED = [2**power for power in range(1, 14)]
SELECT_TRIED = [16, 64, 256, 1024, 4096, 16384]

Row = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What the command line asked for."""

    workload: str | None
    device: str | None = None
    profile: Path | None = None
    save_profile: Path | None = None
    strategies: list[str] = field(default_factory=list)
    check: Path | None = None
    overrides: list[str] = field(default_factory=list)


def scale(request: Request, say: Callable[[str], None]) -> Row:
    """Predict what was asked for; ``say`` gets a line before each measurement.

    Raises
    ------
    UsageError
        Where the request cannot work.
    """
    if request.workload is None and request.check is None:
        raise UsageError("scale: name a workload, such as cifar10 or a .toml file, or --check RESULTS")
    if request.profile is not None and (request.save_profile is not None or request.check is not None):
        raise UsageError("--profile states a device: nothing is measured that --save-profile or --check could use")
    if request.workload is None and request.save_profile is not None:
        raise UsageError("--save-profile: name the workload to measure, such as cifar10")
    device = environment.pick_device("cpu" if request.profile is not None else request.device)
    table: Row = {"version": 1, "selbench": __version__}
    if request.workload is not None:
        workload = workloads.read(request.workload, request.overrides)
        table |= _predicted(workload, request, device, say)
    if request.check is not None:
        table["check"] = check(request.check, device, say)
    return table


def _predicted(workload: Workload, request: Request, device: torch.device, say: Callable[[str], None]) -> Row:
    net = network(workload.learner, workload.channels, workload.resolution, workload.classes)
    reference = _reference(workload, net)
    width = workload.features or (reference.width if reference else 0)
    rules = rules_of(workload, request.strategies, width)
    precision = "bf16" if device.type == "cuda" else "float32"
    bench = Bench(
        net, reference, workload.images, width, workload.augmentation, device, precision == "bf16",
        max(1, math.ceil(workload.proxy_passes)),
    )  # fmt: skip
    described: Row
    if request.profile is not None:
        stated = profiles.read(request.profile)
        costs = profiles.costs_of(stated, bench, rules)
        described = {"kind": "profile", "name": stated.name, "source": stated.source, "precision": stated.precision}
    else:
        most = max(workload.batches)
        sizes = {size for size in TRIED if size <= most} | set(workload.batches)
        candidates = {n for n in SELECT_TRIED if n <= workload.images} | set(workload.batches)
        costs = measure(bench, rules, sizes, candidates, say)
        described = {"kind": "measured", "when": environment.now(), "busy": busy()}
        described |= environment.describe(device, precision)
        if request.save_profile is not None:
            _save(request.save_profile, costs, bench, described, precision, workload.name)
    work = _work(workload, net, reference)
    return {
        "workload": {
            **workload.model_dump(mode="json"),
            "title": workload.title or workload.name,
            "learner_text": net.title,
            "reference_text": _reference_text(workload, reference),
            "features": width,
            "unit": {"forward": net.forward, "train": net.train, "reference": work.reference},
        },
        "device": described,
        "operations": _operations(costs),
        "batches": [_batch(workload, batch, rules, work, costs) for batch in workload.batches],
        "sweep": _sweep(workload, rules, work, costs),
    }


def _reference(workload: Workload, learner: Network) -> Network | None:
    spec = workload.reference
    if not spec.network:
        return None
    resolution = spec.resolution or workload.resolution
    if spec.network != "learner":
        return network(Named(name=spec.network), 3, resolution, workload.classes)
    if resolution == workload.resolution:
        return learner
    return network(workload.learner, workload.channels, resolution, workload.classes)


def _reference_text(workload: Workload, reference: Network | None) -> str:
    if reference is None:
        return "none, or features from a file"
    how = "once for each image" if workload.reference.cached else "with every candidate batch"
    trained = f", trained here on {workload.reference.images:,} images" if workload.reference.images else ""
    return f"{reference.title} at {reference.resolution} px, {how}{trained}"


def _work(workload: Workload, net: Network, reference: Network | None) -> Work:
    spec = workload.reference
    return Work(
        images=workload.images,
        forward=net.forward,
        train=net.train,
        reference=reference.forward if reference else 0.0,
        cached=spec.cached,
        reference_is_learner=spec.network == "learner",
        reference_passes=spec.passes,
        reference_images=spec.images,
        proxy_passes=workload.proxy_passes,
    )


def _save(path: Path, costs: Costs, bench: Bench, described: Row, precision: str, name: str) -> None:
    device = described["device"] if bench.device.type == "cuda" else described["cpu"]
    source = (
        f"selbench {__version__} scale {name}, {described['when']}, {device}, {described['threads']} threads, "
        f"torch {described['torch']}, {bench.learner.title} at {bench.learner.resolution} px"
    )
    try:
        profiles.write(profiles.profile_of(costs, bench, device, source, precision), path)
    except OSError as error:
        raise UsageError(f"--save-profile {path}: {error.strerror}; choose another path") from None


def _operations(costs: Costs) -> list[Row]:
    named = {name: getattr(costs, name) for name in Costs.__dataclass_fields__ if name != "select"}
    named |= {f"select {label}": cost for label, cost in costs.select.items()}
    rows = []
    for name, cost in named.items():
        if cost is None:
            continue
        points = getattr(cost, "points", None)
        row: Row = {"name": name, "seconds_per_sample": cost.slope}
        row["points"] = [[n, s] for n, s in points.items()] if points else []
        row["basis"] = cost.at(next(iter(points)) if points else 1).basis
        rows.append(row)
    return rows


def _runs(
    workload: Workload, batch: int, rules: list[Rule], work: Work, costs: Costs
) -> tuple[Prediction, list[Prediction]]:
    def pacer(rule: Rule | None) -> Pacer:
        return paced(
            Fixed(1.0) if rule is None or rule.keeps_all else rule.schedule,
            pool=workload.images,
            batch=batch,
            batching="fixed-candidates",
            passes=workload.passes,
            buckets=workload.buckets,
            hold=rule is not None and rule.traits.cadence == "epoch",
        )

    full = predict(None, pace_of(pacer(None)), work, costs)
    return full, [predict(rule, pace_of(pacer(rule)), work, costs) for rule in rules]


def _batch(workload: Workload, batch: int, rules: list[Rule], work: Work, costs: Costs) -> Row:
    full, arms = _runs(workload, batch, rules, work, costs)
    share = 1 / workload.amortise_over
    return {"batch": batch, "arms": [_arm(full, arm, share, work) for arm in [full, *arms]]}


def _spent(spent: Spent) -> Row:
    return {"seconds": spent.seconds, "flops": spent.flops, "basis": spent.basis}


def _arm(full: Prediction, arm: Prediction, share: float, work: Work) -> Row:
    shares = {"marginal": 0.0, "amortised": share, "standalone": 1.0}
    times = break_even(full, arm, share) if arm is not full else None
    slope = full.learner / full.pace.trained
    return {
        "label": arm.label,
        "cadence": arm.rule.traits.cadence if arm.rule else "",
        "scores_learner": bool(arm.rule and arm.rule.scores),
        "mean_ratio": arm.pace.ratio,
        "steps": arm.pace.number,
        "phases": {phase: _spent(spent) for phase, spent in arm.phases.items()},
        "artefacts": _spent(arm.artefacts),
        "seconds": {name: arm.seconds(s) for name, s in shares.items()},
        "flops": {name: arm.flops(s) for name, s in shares.items()},
        "speed_up": {
            name: {"seconds": speed_up(full, arm, s), "flops": full.flops(s) / arm.flops(s)}
            for name, s in shares.items()
        },
        "ceiling": {"seconds": ceiling_seconds(full, arm), "flops": ceiling_flops(full, arm)},
        "select_share": arm.select_share,
        "break_even": None
        if times is None
        else {"times": times, "seconds": times * slope, "flops": times * work.train},
        "learner_seconds_per_image": slope,
        "curve": [
            [x * slope, speed_up(full, arm, share, x), ceiling_seconds(full, arm, x)]
            for x in (SCALES if arm is not full else [])
        ],
        "basis": arm.basis,
    }


def _sweep(workload: Workload, rules: list[Rule], work: Work, costs: Costs) -> Row:
    """Share of the time lost to ``select``, by candidate batch, and where it passes the levels."""
    sizes = sorted({*(n for n in SWEEP if n <= workload.images), *workload.batches})
    shares: dict[str, list[list[Any]]] = {rule.label: [] for rule in rules}
    skipped = []
    for size in sizes:
        try:
            _, arms = _runs(workload, size, rules, work, costs)
        except UsageError:  # too few are kept to train on
            skipped.append(size)
            continue
        for arm in arms:
            shares[arm.label].append([size, arm.select_share, arm.phases["select"].basis, arm.basis])
    passed = {
        label: {f"{level:g}": _passed([(x, y) for x, y, *_ in points], level) for level in LEVELS}
        for label, points in shares.items()
    }
    return {"shares": shares, "passes": passed, "skipped": skipped}


def _passed(points: list[tuple[float, float]], level: float) -> Row:
    return {"first": points[0][1] >= level, "crossings": [list(pair) for pair in crossings(points, level)]}
