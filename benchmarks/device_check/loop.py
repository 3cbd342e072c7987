"""Runs of the harness's own loop on made data, for the stages that look into single steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...harness.datasets.augment import Augment
from ...harness.datasets.samples import Samples
from ...harness.steps.pacer import Pacer
from ...harness.steps.schedules import Fixed
from ...harness.training.learner import ResNet18
from ...harness.training.numerics import candidates
from ...harness.training.trainer import Recipe, Trainer
from ...strategies import Pool, load
from ...strategies.interface import Traits

CLASSES, EPOCHS, VAL = 10, 10, 256
JUDGED = 4  # steps after which the guard judges no more selection at once


@dataclass(frozen=True)
class Size:
    """The learner's width, pixels a side, B, features d, and steps of a run."""

    width: int
    side: int
    batch: int
    features: int
    steps: int


STANDARD = Size(64, 32, 512, 2048, 12)
TINY = Size(2, 8, 16, 8, 6)


class Loop:
    """Runs on one device, all on the same made images and signals."""

    def __init__(self, device: torch.device, size: Size) -> None:
        self.device, self.size = device, size
        self.images = size.batch * size.steps
        self.draw = torch.Generator().manual_seed(0)

    @cached_property
    def samples(self) -> Samples:
        n, side = self.images, self.size.side
        images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=self.draw)
        return Samples(images.to(self.device), (torch.arange(n) % CLASSES).to(self.device), CLASSES)

    @cached_property
    def val(self) -> Samples:
        images, labels = self.samples.images[:VAL], self.samples.labels[:VAL]
        return Samples(images, labels, CLASSES)

    @cached_property
    def signals(self) -> dict[str, Tensor]:
        n = self.images
        made = {
            "features": torch.rand(n, self.size.features, generator=self.draw).square(),
            "reference": torch.rand(n, generator=self.draw),
            "trace": torch.rand(n, EPOCHS, CLASSES, generator=self.draw).softmax(2),
        }
        return {name: signal.to(self.device) for name, signal in made.items()}

    def trainer(self, name: str, ratio: float) -> Trainer:
        """A run of ``name`` (``full`` selects nothing) at a keep ratio, over all images once."""
        size, rule, pool, signals = self.size, None, None, dict[str, Tensor]()
        if name != "full":
            rule = load(name)
            needs = Traits.of(rule).needs
            signals = {key: signal for key, signal in self.signals.items() if key in needs}
            known = {key: signal for key, signal in signals.items() if key != "trace"}
            draw = torch.Generator(self.device).manual_seed(2)
            pool = Pool(self.images, CLASSES, self.samples.labels, self.device, draw, **known)
        samples = Samples(self.samples.images, self.samples.labels, CLASSES, {**signals})
        learner, grey = ResNet18(size.width), [0.5] * 3
        net = learner.build(3, size.side, CLASSES, torch.Generator().manual_seed(1), str(self.device))
        return Trainer(
            samples,
            learner,
            Augment("crop-flip", size.side, grey, [0.25] * 3, device=self.device),
            Pacer(self.images, size.batch, "fixed-candidates", Fixed(ratio), passes=1),
            Recipe(lr=0.01),
            3,
            net,
            rule,
            numerics=candidates(None, None, self.device)[0],
            pool=pool,
            val=self.val,
        )

    def settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def timed(self, name: str, ratio: float) -> tuple[float, dict[str, float]]:
        """Seconds a step over the second half of a run, and those of each phase over all of it."""
        one, begun = self.trainer(name, ratio), 0.0
        half = self.size.steps // 2

        def at_half(trainer: Trainer) -> None:
            nonlocal begun
            if trainer.count == half:
                self.settle()
                begun = time.perf_counter()

        one.run(on_step=at_half)
        self.settle()
        wall = (time.perf_counter() - begun) / (one.count - half)
        return wall, {phase: of.seconds / one.count for phase, of in one.ledger.phases.items() if of.seconds}

    def watched(self, name: str, ratio: float, refused: Callable[[], AbstractContextManager[Any]]) -> None:
        """A run whose steps are inside ``refused()``, once the guard judges no selection at once any more."""
        one = self.trainer(name, ratio)
        inner = one.step

        def step(*given: Any) -> None:
            if one.count < JUDGED:
                return inner(*given)
            with refused():
                return inner(*given)

        one.step = step  # type: ignore[method-assign]
        one.run()
