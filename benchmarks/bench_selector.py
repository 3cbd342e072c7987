"""Selector in a plain PyTorch loop beside the same selection by hand, in turns: digits, ResNet-8, a pass each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from selbench import Selector
from selbench.harness.streams import permutation
from selbench.harness.training.learner import ResNet8

from .bench_tax import in_turns
from .conftest import Meter, paired

BATCH, RATIO = 128, 0.25
KEEP = int(BATCH * RATIO)


def digits() -> TensorDataset:
    images, labels = load_digits(return_X_y=True)
    return TensorDataset(torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(labels))


class Loops:
    """A pass over digits in batches of ``BATCH``, of which ``KEEP`` are trained on."""

    def __init__(self, device: torch.device) -> None:
        self.data, self.device, self.losses = digits(), device, list[list[float]]()

    def ready(self) -> tuple[Any, torch.optim.Optimizer]:
        model = ResNet8().build(1, 8, 10, torch.Generator().manual_seed(1), str(self.device)).train()
        return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def selected(self, rule: str) -> Callable[[], None]:
        model, optimizer = self.ready()
        selector = Selector(rule, RATIO, model=model, data=self.data, epochs=1)
        loader = selector.loader(BATCH, drop_last=True)

        def run() -> None:
            seen = []
            for images, labels, ids in loader:
                images, labels = images.to(self.device), labels.to(self.device)
                picks, weights = selector.select(images, labels, ids)
                losses = F.cross_entropy(model(images[picks]), labels[picks], reduction="none")
                seen.append(self.learn(optimizer, (weights * losses).mean()))
                selector.step()
            self.losses.append(torch.stack(seen).tolist())

        return run

    def by_hand(self, rule: str) -> Callable[[], None]:
        model, optimizer = self.ready()
        order = permutation(len(self.data), 0, "order", 0).tolist()  # as of the Selector
        loader: Iterable[list[Tensor]] = DataLoader(self.data, BATCH, sampler=order, drop_last=True)

        def scored(images: Tensor, labels: Tensor) -> Tensor:
            if rule == "uniform":
                return torch.rand(len(labels), device=self.device)
            model.eval()
            with torch.no_grad():
                losses = F.cross_entropy(model(images), labels, reduction="none")
            model.train()
            return losses

        def run() -> None:
            seen = []
            for images, labels in loader:
                images, labels = images.to(self.device), labels.to(self.device)
                picks = scored(images, labels).topk(KEEP).indices
                losses = F.cross_entropy(model(images[picks]), labels[picks], reduction="none")
                seen.append(self.learn(optimizer, losses.mean()))
            self.losses.append(torch.stack(seen).tolist())

        return run

    def learn(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()


@pytest.mark.parametrize("rule", ["uniform", "loss"])
def test_selector(meter: Meter, device: torch.device, rule: str) -> None:
    loops = Loops(device)
    hand, ours = in_turns([lambda: loops.by_hand(rule), lambda: loops.selected(rule)], meter)
    if rule == "loss" and device.type == "cpu":
        assert len(set(map(tuple, loops.losses))) == 1  # the same losses to the bit
    found = {"by_hand_s": statistics.median(hand), "selector_s": statistics.median(ours), "ratio": paired(ours, hand)}
    meter(loops.selected(rule), suite="selector", case=rule, size=BATCH, **found)
