"""``select`` of every registered strategy beside the same rule written in the obvious way, and a training step.

A strategy gets what the harness would give it: the signals that it needs, on the run's device, with a pool as large as
the batch (at the cadences ``epoch`` and ``run`` the batch is the pool).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selbench.harness.scale.madeup import Shape, begin
from selbench.harness.training.learner import STANDARD_WIDTH, ResNet18
from selbench.harness.training.optimizer import SGD
from selbench.strategies import BatchLosses, Selection, UsageError, keep_count, load
from selbench.strategies.interface import Traits
from selbench.strategies.maths.last_layer import LastLayer
from selbench.strategies.registry import registry

from .conftest import Meter
from .inputs import CLASSES, features
from .plain import PLAIN

SIZES = (128, 512, 1024, 4096)
WIDTHS = (512, 2048)
RATIO = 0.25
VAL = 256  # images of val behind the held-out signals
EPOCHS = 10  # length of the proxy's trace
PIXELS = 32
NARROW = 8  # width of the learner of the quick matrix
SHAPE = Shape(WIDTHS[0], 8 * STANDARD_WIDTH, CLASSES, EPOCHS)
CANDIDATES = 512  # B of the training step that selection's share is taken of


@cache
def batch(size: int, width: int) -> tuple[Tensor, BatchLosses]:
    """Features and every signal that the interface knows, as if in the middle of a run."""
    stream = torch.Generator().manual_seed(size)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=stream)

    return features(size, width), BatchLosses(
        rand(size) * 4,
        rand(size) * 2 + 0.01,
        labels=torch.randint(CLASSES, (size,), generator=stream),
        index=torch.arange(size),
        learner_probs=(rand(size, CLASSES) * 5).softmax(1),
        learner_features=torch.relu(torch.randn(size, 8 * STANDARD_WIDTH, generator=stream)),
        trace=(rand(size, EPOCHS, CLASSES) * 5).softmax(2),
        age=torch.arange(size),
        picks=torch.arange(size) < keep_count(RATIO, size),
        epoch=1,
        progress=0.5,
        **held_out(stream),
    )


def held_out(stream: torch.Generator) -> dict[str, Tensor]:
    """Outputs of the learner on 256 images of val."""
    probs = (torch.rand(VAL, CLASSES, generator=stream) * 5).softmax(1)
    hidden = torch.relu(torch.randn(VAL, 8 * STANDARD_WIDTH, generator=stream))
    labels = torch.randint(CLASSES, (VAL,), generator=stream)
    gradient = LastLayer.of(probs, hidden, labels).mean()
    return {"val_gradient": gradient, "val_features": hidden, "val_probs": probs, "val_labels": labels}


def needed(losses: BatchLosses, needs: frozenset[str], device: torch.device) -> BatchLosses:
    given, known = needs | {"labels", "index", "val_labels"}, losses.signals() | losses.held_out()
    kept = {name: value.to(device) for name, value in known.items() if name in given}
    k = keep_count(RATIO, losses.size)
    return BatchLosses(**kept, k=k, epoch=losses.epoch, progress=losses.progress)


def cases() -> Iterator[tuple[int, int, str, str]]:
    """Sizes ascending, and within one size a rule next to its plain form."""
    for size in SIZES:
        for name in registry("strategies").found():
            for width in WIDTHS:
                yield size, width, name, "ours"
                if name in PLAIN:
                    yield size, width, name, "plain"


@pytest.mark.parametrize(("size", "width", "name", "form"), list(cases()))
def test_select(meter: Meter, device: torch.device, size: int, width: int, name: str, form: str) -> None:
    feats, losses = batch(size, width)
    about: dict[str, Any] = {"suite": "select", "case": f"{name}, {form}", "size": size, "strategy": name, "form": form}
    try:
        strategy = load(name)
    except UsageError as error:  # a plugin that does not import, or cannot do without hyper-parameters
        meter.leave_out(str(error), width=width, **about)
    traits = Traits.of(strategy)
    reads = "features" in traits.needs
    if not reads and width != WIDTHS[0]:
        pytest.skip(f"{name} reads no features, so d does not matter")
    about |= {"width": width if reads else 0, "cadence": traits.cadence}
    given, signals = feats.to(device) if reads else None, needed(losses, traits.needs, device)
    begin(strategy, SHAPE, given, signals)
    k = keep_count(RATIO if traits.ratio is None else traits.ratio, size)
    if form == "plain":
        stream = torch.Generator(device).manual_seed(0)
        picks = meter(lambda: PLAIN[name](given, signals, k, stream), power=3, **about)
    else:
        picks = meter(lambda: strategy.select(given, signals, RATIO), **about)
    picks = picks.indices if isinstance(picks, Selection) else picks
    assert picks.unique().numel() == picks.numel()
    assert picks.numel() == k or not traits.exact_count
    meter.note(k=picks.numel())


def step(learner: ResNet18, count: int, device: torch.device) -> Callable[[], None]:
    """One training step on ``count`` images: forward, backward, the optimizer; bfloat16 on a GPU."""
    model = learner.build(3, PIXELS, CLASSES, torch.Generator().manual_seed(0), str(device))
    stream = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, PIXELS, PIXELS, generator=stream).to(device)
    labels = torch.randint(CLASSES, (count,), generator=stream).to(device)
    fast = device.type == "cuda"
    if fast:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = SGD(model.train(), 0.1, 0.9, 5e-4)

    def train() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast):
            logits = model(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return train


@pytest.mark.parametrize("width", [STANDARD_WIDTH, NARROW])
def test_training_step(meter: Meter, device: torch.device, width: int) -> None:
    """What selection's share is taken of: the step on the quarter that is kept."""
    learner, kept = ResNet18(width), keep_count(RATIO, CANDIDATES)
    if width == NARROW and device.type == "cuda":
        pytest.skip("a narrow learner is for CPUs")
    about = {"suite": "step", "case": learner.title, "size": CANDIDATES, "width": width}
    meter(step(learner, kept, device), k=kept, pixels=PIXELS, **about)
