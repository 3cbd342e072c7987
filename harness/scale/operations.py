"""Seconds of single operations, measured on this device by running the harness's own loop on synthetic images."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...strategies.interface import BatchLosses, keep_count
from ..datasets.augment import Augment
from ..datasets.samples import Samples
from ..references.imagenet import features
from ..steps.pacer import Pacer
from ..steps.schedules import Fixed
from ..streams import generator
from ..training.flops import count_selection
from ..training.ledger import Clock, Ledger
from ..training.numerics import Numerics
from ..training.trainer import Recipe, Trainer
from .costs import Cost, Costs, Measured, Scaled
from .madeup import Shape, begin, candidates
from .networks import Network
from .workload import Rule

PATIENCE = 8.0  # seconds; no larger size is tried where a step or a call is expected to take longer
EFFORT = 6.0  # about this many seconds of repeats go into each operation
BYTES = 1 << 30  # most bytes of synthetic inputs
_STEPS = 12  # steps of the loop between two readings of its clock, where they are short
_SHORT = 0.5


@dataclass(frozen=True)
class Bench:
    """What is measured: networks, a pool of ``images`` with features of ``width`` d, their augmentation, and where."""

    learner: Network
    reference: Network | None
    images: int
    width: int
    augmentation: Any
    device: torch.device
    numerics: Numerics
    trace_epochs: int = 5

    @property
    def shape(self) -> Shape:
        return Shape(self.width, self.learner.width, self.learner.classes, self.trace_epochs)


class Scoring:
    """Keeps all candidates after a scoring pass: a step that selects, without the cost of selecting."""

    cadence = "batch"
    needs = frozenset({"learner"})

    def select(self, batch_feats: Tensor | None, losses: BatchLosses, ratio: float) -> Tensor:
        return torch.arange(losses.learner.shape[0], device=losses.learner.device)

    def flops(self, n: int, d: int, k: int) -> float:
        return 0.0


class Watching(Scoring):
    cadence = "epoch"


def measure(
    bench: Bench, rules: list[Rule], sizes: Iterable[int], select_sizes: Iterable[int], say: Callable[[str], None]
) -> Costs:
    """Measure the price list of this device; ``say`` gets one line before each operation.

    Batches of ``sizes`` are trained and scored, as far as :data:`PATIENCE` allows; ``select_sizes`` are numbers of
    candidates for the rules at cadence ``batch``; others are measured on the pool's size.
    """
    say("the training loop")
    costs = Loop(bench).measure(sizes)
    reference = None
    if bench.reference is not None and any(rule.reads_reference for rule in rules):
        say(f"the reference, {bench.reference.title}")
        reference = _reference(bench)
    select: dict[str, Cost] = {}
    for rule in rules:
        say(f"select of {rule.label}")
        select[rule.label] = _select(bench, rule, sorted(select_sizes))
    gather, gather_losses = (_gather(bench, sorted(select_sizes), losses_only) for losses_only in (False, True))
    return Costs(**costs, reference=reference, gather=gather, gather_losses=gather_losses, select=select)


class Loop:
    """The training loop with and without a scoring pass, run a few steps at a time."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        net, device = bench.learner, bench.device
        side = round(net.resolution * 8 / 7) if bench.augmentation == "resized-crop-flip" else net.resolution
        self.most = max(2, min(bench.images, BYTES // (net.channels * side * side)))
        stream = generator(0, "scale")
        shape = (self.most, net.channels, side, side)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream).to(device)
        labels = torch.randint(net.classes, (self.most,), generator=stream).to(device)
        grey = torch.full((net.channels,), 0.5, device=device)
        augment = Augment(bench.augmentation, net.resolution, grey, 0.5 * grey)
        self.trainers = [
            Trainer(
                Samples(images, labels, net.classes),
                Uncounted(),  # type: ignore[arg-type]
                augment,
                self._pacer(2, 1),
                Recipe(lr=1e-4),  # random labels: training must not diverge
                0,
                net.build(False).to(device),
                strategy,
                bench.numerics,
            )
            for strategy in (Scoring(), Watching())
        ]

    def _pacer(self, size: int, steps: int) -> Pacer:
        return Pacer(self.most, size, "fixed-candidates", Fixed(1.0), steps=steps)

    def measure(self, sizes: Iterable[int]) -> dict[str, Any]:
        """Medians over rounds that go through all sizes in turn, so that a slow moment hits each alike."""
        tried: dict[int, float] = {}
        for size in sorted({size for size in sizes if 2 <= size <= self.most}):
            if tried and max(tried.values()) * size / max(tried) > PATIENCE:
                break
            for trainer in self.trainers:
                self._round(trainer, size, 1)  # warm-up
            tried[size] = sum(sum(self._round(trainer, size, 1).values()) for trainer in self.trainers)
        steps = {size: _STEPS if seconds < _SHORT else 1 for size, seconds in tried.items()}
        rounds = int(min(9, max(3, EFFORT / sum(steps[size] * seconds for size, seconds in tried.items()))))
        readings: dict[str, dict[int, list[float]]] = {}
        for _ in range(rounds):
            for size in tried:
                scoring, watching = (self._round(trainer, size, steps[size]) for trainer in self.trainers)
                found = {
                    "views": [scoring["data"], watching["data"]],
                    "score": [scoring["score"]],
                    "train": [scoring["train"], watching["train"]],
                    "remember": [watching["select"]],
                    "other": [scoring["other"]],
                    "other_plain": [watching["other"]],
                }
                for name, seconds in found.items():
                    readings.setdefault(name, {}).setdefault(size, []).extend(seconds)
        # What stands between the phases is a remainder: an interruption can only add to it.
        middle = {name: min if name.startswith("other") else statistics.median for name in readings}
        return {name: Measured({n: middle[name](s) for n, s in at.items()}, name) for name, at in readings.items()}

    def _round(self, trainer: Trainer, size: int, steps: int) -> dict[str, float]:
        """Seconds a step by phase over a few steps; ``other`` is what stood on the wall clock besides."""
        if steps > 1:  # the first steps after another size find caches and memory of that one
            trainer.pacer = self._pacer(size, _STEPS // 4)
            trainer.run()
        trainer.pacer = self._pacer(size, steps)
        before = {phase: account.seconds for phase, account in trainer.ledger.phases.items()}
        _settle(self.bench.device)
        begun = time.perf_counter()
        trainer.run()
        _settle(self.bench.device)
        elapsed = time.perf_counter() - begun
        spent = {phase: account.seconds - before[phase] for phase, account in trainer.ledger.phases.items()}
        spent["other"] = max(0.0, elapsed - sum(spent.values()))
        return {phase: seconds / steps for phase, seconds in spent.items()}


class Uncounted:
    """Stands in for the learner where the trainer counts operations: a network's are counted already."""

    def build(self, channels: int, resolution: int, classes: int, generator: None) -> torch.nn.Module:
        return torch.nn.Conv2d(channels, 1, 1, device="meta")


def _reference(bench: Bench) -> Measured:
    net = bench.reference
    assert net is not None
    body = _Features(net.build(False).eval(), net.channels)
    images = torch.zeros((64, net.channels, net.resolution, net.resolution), dtype=torch.uint8)

    def once(size: int) -> Callable[[], Any]:
        part = images[:size].to(bench.device)
        return lambda: list(features(body, part, net.resolution, bench.device))

    return Measured(_measured(once, [4, 16, 64], bench.device), "reference")


class _Features(torch.nn.Module):
    """A network that stops at its features, as the harness extracts them."""

    def __init__(self, model: Any, channels: int) -> None:
        super().__init__()
        self.model, self.channels = model, channels

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model.forward_features(x[:, : self.channels])  # extraction makes grey images RGB
        return found


def _gather(bench: Bench, sizes: list[int], losses_only: bool) -> Cost:
    width = max(1, bench.width)
    rows = max(sizes[-1], min(bench.images, BYTES // 8 // (4 * width)))
    table = torch.rand((rows, width), generator=generator(0, "scale")).to(bench.device)
    losses = table[:, 0].contiguous()

    def once(size: int) -> Callable[[], Any]:
        ids = torch.randint(rows, (size,), generator=generator(0, "scale", size)).to(bench.device)
        return (lambda: losses[ids]) if losses_only else (lambda: (table[ids], losses[ids]))

    return Measured(_measured(once, sizes, bench.device), "gather")


def _select(bench: Bench, rule: Rule, sizes: list[int]) -> Cost:
    if rule.traits.cadence != "batch":
        sizes = sorted({max(2, bench.images // 64), max(2, bench.images // 8), bench.images})
    ratio = rule.schedule.mean()
    counts: dict[int, float] = {}

    def once(size: int) -> Callable[[], Any]:
        feats, losses = candidates(bench.shape, rule.traits.needs, size, keep_count(ratio, size), bench.device)
        begin(rule.instance, bench.shape, feats, losses)
        kept = keep_count(ratio, size) / size
        call = lambda: rule.instance.select(feats, losses, kept)  # noqa: E731
        if not callable(getattr(rule.instance, "flops", None)):
            with torch.no_grad():
                counts[size] = count_selection(call).flops
        return call

    widest = 4 * max(1, bench.width, bench.learner.width, bench.learner.classes * bench.trace_epochs)
    fitting = [size for size in sizes if size * widest <= BYTES] or sizes[:1]
    points = _measured(once, fitting, bench.device)
    if counts:
        known = Scaled({n: max(f, 1.0) for n, f in counts.items()}, float)
        rule.counted = lambda n, k: known.at(n).seconds
    return Scaled(points, lambda n: rule.flops(n, keep_count(ratio, n)), name="select")


def _measured(once: Callable[[int], Callable[[], Any]], sizes: list[int], device: torch.device) -> dict[int, float]:
    """Median seconds of a call at each size that patience allows, the smallest always."""
    medians: dict[int, float] = {}
    for size in sizes:
        if medians and max(medians.values()) * size / max(medians) > PATIENCE / 4:
            break
        call = once(size)
        with torch.no_grad():
            call()  # warm-up
            repeats = int(min(30, max(3, EFFORT / 8 / max(_timed(call, 1, device)[0], 1e-6))))
            medians[size] = statistics.median(_timed(call, repeats, device))
    return medians


def _timed(call: Callable[[], Any], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each call by the ledger's own clock, the caches of a CPU cleared in between as training does."""
    found = []
    litter = torch.empty(1 << 23) if device.type == "cpu" else None
    for _ in range(repeats):
        if litter is not None:
            litter.zero_()
        clock = Clock(ledger := Ledger(), device)
        with clock.phase("select"):
            call()
        clock.settle()
        found.append(ledger.phases["select"].seconds)
    return found


def busy() -> str:
    """A warning where others load this machine more than it has cores; empty elsewhere."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    busy = f"this machine is busy (load {load:.1f} on {cores} cores): its seconds are unreliable"
    return busy if load > cores else ""


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
