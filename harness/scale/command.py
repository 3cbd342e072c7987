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
from ..training.numerics import Numerics
from . import profile as profiles
from . import workload as workloads
from .check import check
from .costs import Costs
from .networks import Network, network
from .operations import Bench, busy, measure
from .predict import Prediction, Work, break_even, ceiling_flops, ceiling_seconds, crossings, pace_of, predict, speed_up
from .workload import Rule, Workload, rules_of

LEVELS = (0.01, 0.03, 0.10)  # shares of the time lost to ``select`` whose candidate batches are looked for
SWEEP = [2**power for power in range(4, 17)]  # candidate batches at which that share is computed
SCALES = [10 ** (power / 8) for power in range(-24, 25)]  # costs of learners, in multiples of the workload's
TRIED = [2**power for power in range(1, 14)]
SELECT_TRIED = [16, 64, 256, 1024, 4096, 16384]

Row = dict[str, Any]


@dataclass(frozen=True)
class ScaleRequest:
    workload: str | None
    device: str | None = None
    profile: Path | None = None
    save_profile: Path | None = None
    strategies: list[str] = field(default_factory=list)
    check: Path | None = None
    overrides: list[str] = field(default_factory=list)


def scale(request: ScaleRequest, say: Callable[[str], None]) -> Row:
    """Predict what was asked for; ``say`` gets a line before each measurement."""
    if request.workload is None and request.check is None:
        raise UsageError("scale: name a workload, such as cifar10 or a .toml file, or --check RESULTS")
    if request.profile is not None and (request.save_profile is not None or request.check is not None):
        raise UsageError("--profile states a device: nothing is measured that --save-profile or --check could use")
    if request.workload is None and request.save_profile is not None:
        raise UsageError("--save-profile: name the workload to measure, such as cifar10")
    asked = "cpu" if request.profile is not None else request.device
    device = environment.enter(environment.pick_device(asked))
    table: Row = {"version": 1, "selbench": __version__}
    if request.workload is not None:
        workload = workloads.read(request.workload, request.overrides)
        table |= _predicted(workload, request, device, say)
    if request.check is not None:
        table["check"] = check(request.check, device, say)
    return table


def _predicted(workload: Workload, request: ScaleRequest, device: torch.device, say: Callable[[str], None]) -> Row:
    net = network(workload.learner, workload.channels, workload.resolution, workload.classes)
    reference = _reference(workload, net)
    width = workload.features or (reference.width if reference else 0)
    rules = rules_of(workload, request.strategies, width)
    precision = "bf16" if device.type == "cuda" else "float32"
    epochs, numerics = max(1, math.ceil(workload.proxy_passes)), Numerics.of(precision)
    bench = Bench(net, reference, workload.images, width, workload.augmentation, device, numerics, epochs)
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
    work = Work(
        images=workload.images,
        forward=net.forward,
        train=net.train,
        reference=reference.forward if reference else 0.0,
        cached=workload.reference.cached,
        reference_is_learner=workload.reference.network == "learner",
        reference_passes=workload.reference.passes,
        reference_images=workload.reference.images,
        proxy_passes=workload.proxy_passes,
    )
    share, batches = 1 / workload.amortise_over, []
    for batch in workload.batches:
        full, arms = _runs(workload, batch, rules, work, costs)
        batches.append({"batch": batch, "arms": [_arm(full, arm, share, work) for arm in [full, *arms]]})
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
        "batches": batches,
        "sweep": _sweep(workload, rules, work, costs),
    }


def _reference(workload: Workload, learner: Network) -> Network | None:
    spec = workload.reference
    if not spec.network:
        return None
    resolution = spec.resolution or workload.resolution
    if spec.network != "learner":
        return network(Named(name=spec.network), 3, resolution, workload.classes)
    alike = resolution == workload.resolution
    return learner if alike else network(workload.learner, workload.channels, resolution, workload.classes)


def _reference_text(workload: Workload, reference: Network | None) -> str:
    if reference is None:
        return "none, or features from a file"
    how = "once for each image" if workload.reference.cached else "with every candidate batch"
    trained = f", trained here on {workload.reference.images:,} images" if workload.reference.images else ""
    return f"{reference.title} at {reference.resolution} px, {how}{trained}"


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
        if cost is not None:
            points = getattr(cost, "points", {})
            row: Row = {"name": name, "seconds_per_sample": cost.slope, "points": list(map(list, points.items()))}
            rows.append(row | {"basis": cost.at(next(iter(points), 1)).basis})
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


def _arm(full: Prediction, arm: Prediction, share: float, work: Work) -> Row:
    shares = {"marginal": 0.0, "amortised": share, "standalone": 1.0}
    slope = full.learner / full.pace.trained
    times = break_even(full, arm, share) if arm is not full else None
    even = None if times is None else {"times": times, "seconds": times * slope, "flops": times * work.train}
    scales = SCALES if arm is not full else []
    return {
        "label": arm.label,
        "cadence": arm.rule.traits.cadence if arm.rule else "",
        "scores_learner": bool(arm.rule and arm.rule.scores),
        "mean_ratio": arm.pace.ratio,
        "steps": arm.pace.number,
        "phases": {phase: spent.row() for phase, spent in arm.phases.items()},
        "artefacts": arm.artefacts.row(),
        "seconds": {name: arm.seconds(s) for name, s in shares.items()},
        "flops": {name: arm.flops(s) for name, s in shares.items()},
        "speed_up": {
            name: {"seconds": speed_up(full, arm, s), "flops": full.flops(s) / arm.flops(s)}
            for name, s in shares.items()
        },
        "ceiling": {"seconds": ceiling_seconds(full, arm), "flops": ceiling_flops(full, arm)},
        "select_share": arm.select_share,
        "break_even": even,
        "learner_seconds_per_image": slope,
        "curve": [[x * slope, speed_up(full, arm, share, x), ceiling_seconds(full, arm, x)] for x in scales],
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
    passes: Row = {}
    for label, rows in shares.items():
        points = [(x, y) for x, y, *_ in rows]
        passes[label] = {
            f"{level:g}": {"first": points[0][1] >= level, "crossings": list(map(list, crossings(points, level)))}
            for level in LEVELS
        }
    return {"shares": shares, "passes": passes, "skipped": skipped}
