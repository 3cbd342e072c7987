"""The harness tax: the instrumented loop beside a bare one that does the same training, in turns.

Also what selection leaves of the speed-up that its keep ratio allows: the ceiling is a bare loop on as many images.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from selbench.harness.datasets.augment import Augment
from selbench.harness.datasets.samples import Samples
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Fixed
from selbench.harness.streams import derive, permutation
from selbench.harness.training.learner import ResNet18, ResNet18Net
from selbench.harness.training.numerics import candidates
from selbench.harness.training.optimizer import SGD, one_cycle
from selbench.harness.training.trainer import Recipe, Trainer
from selbench.strategies import Pool, load

from .conftest import Meter, paired, wait

TURNS = 9
RECIPE = Recipe(lr=0.05)
WIDTH_OF_FEATURES = 512


class Setting:
    """A pool of made images (``side`` in pixels) and what trains on it: ``steps`` of ``batch`` candidates a turn."""

    def __init__(self, width: int, side: int, batch: int, steps: int, device: torch.device) -> None:
        self.learner, self.side, self.batch, self.steps, self.device = ResNet18(width), side, batch, steps, device
        draw = torch.Generator().manual_seed(0)
        size = batch * steps
        images = torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8, generator=draw)
        features = torch.rand(size, WIDTH_OF_FEATURES, generator=draw)
        reference = torch.rand(size, generator=draw)
        signals = {"features": features.to(device), "reference": reference.to(device)}
        self.samples = Samples(images.to(device), (torch.arange(size) % 10).to(device), 10, signals)
        self.augment = Augment("crop-flip", side, [0.5] * 3, [0.25] * 3, device=device)
        self.numerics = candidates(None, None, device)[0]

    def model(self) -> ResNet18Net:
        return self.learner.build(3, self.side, 10, torch.Generator().manual_seed(1), str(self.device))

    def instrumented(self, name: str, ratio: float) -> Callable[[], None]:
        """The harness's own loop for a pass, with strategy ``name``; its construction is not timed."""
        strategy = pool = None
        if name != "full":
            strategy = load(name)
            draw = torch.Generator(self.device).manual_seed(2)
            known = self.samples.signals
            pool = Pool(len(self.samples), 10, self.samples.labels, self.device, draw, **known)  # type: ignore[arg-type]
        pacer = Pacer(len(self.samples), self.batch, "fixed-candidates", Fixed(ratio), passes=1)
        trainer = Trainer(
            self.samples, self.learner, self.augment, pacer, RECIPE, 3, self.model(), strategy, self.numerics, pool
        )
        return trainer.run

    def bare(self, keep: int) -> Callable[[], None]:
        """The same training by hand, on ``keep`` images a step: no ledger, no clock, no counters, no checks."""
        model = self.model()
        self.numerics.net(model, self.device)
        optimizer = SGD(model, RECIPE.lr, RECIPE.momentum, RECIPE.weight_decay)

        def run() -> None:
            model.train()
            order = permutation(len(self.samples), 3, "order", 0).to(self.device)
            for step in range(self.steps):
                optimizer.lr = one_cycle(step / self.steps, RECIPE.lr, RECIPE.warmup)
                ids = order[step * self.batch : step * self.batch + keep]
                views = self.augment.train_view(self.samples.images[ids], ids, derive(3, "augment", 0))
                views = self.numerics.images(views)
                with self.numerics.autocast(self.device):
                    logits = model(views)
                F.cross_entropy(logits.float(), self.samples.labels[ids]).backward()
                optimizer.step()

        return run


def in_turns(makers: list[Callable[[], Callable[[], None]]], meter: Meter) -> list[list[float]]:
    """Seconds of each, one after the other ``TURNS`` times (once where nothing is timed), every other time reversed."""
    seen: list[list[float]] = [[] for _ in makers]
    for make in makers:
        make()()  # kernels of every shape
    for turn in range(1 if meter.benchmark.disabled else TURNS):
        for i in range(len(makers))[:: 1 if turn % 2 else -1]:
            call, begun = makers[i](), time.perf_counter()
            call()
            wait(meter.device)
            seen[i].append(time.perf_counter() - begun)
    return seen


def settings(device: torch.device, steps: int = 60) -> dict[str, Setting]:
    """The learners; the standard one where a GPU makes it quick."""
    if device.type == "cuda":
        return {"ResNet-18, 32 px, bf16": Setting(64, 32, 512, 40, device)}
    return {
        "ResNet-18 width 8, 8 px": Setting(8, 8, 64, steps, device),
        "ResNet-18 width 16, 16 px": Setting(16, 16, 128, 8, device),
    }


@pytest.mark.parametrize("place", [0, 1])
def test_tax(meter: Meter, device: torch.device, place: int) -> None:
    known = settings(device, 4 if meter.benchmark.disabled else 60)  # a trial run times nothing
    if place >= len(known):
        meter.leave_out("one learner is enough on a GPU", suite="tax", case="a second learner", size=0)
    name, setting = list(known.items())[place]
    bare, ours = in_turns([lambda: setting.bare(setting.batch), lambda: setting.instrumented("full", 1.0)], meter)
    found = {"bare_s": statistics.median(bare), "instrumented_s": statistics.median(ours), "ratio": paired(ours, bare)}
    meter(setting.instrumented("full", 1.0), suite="tax", case=name, size=setting.batch, **found)


@pytest.mark.parametrize("batch", [256, 2048])
@pytest.mark.parametrize("name", ["uniform", "degree", "gstds"])
def test_ceiling(meter: Meter, device: torch.device, name: str, batch: int) -> None:
    """Share of the ceiling that a rule with cached scores reaches at keep ratio 0.25."""
    narrow = (16, 16, 2) if batch < 1024 else (8, 16, 1)  # on a CPU the standard learner would take minutes a step
    width, side, steps = (64, 32, 20) if device.type == "cuda" else narrow
    setting = Setting(width, side, batch, steps, device)
    ways = [lambda: setting.bare(batch), lambda: setting.bare(batch // 4), lambda: setting.instrumented(name, 0.25)]
    full, least, ours = in_turns(ways, meter)
    found = {"ceiling": paired(full, least), "reached": paired(full, ours), "share": paired(least, ours)}
    case = f"{name}, ResNet-18 width {width}, {side} px"
    meter(setting.instrumented(name, 0.25), suite="ceiling", case=case, size=batch, **found)
