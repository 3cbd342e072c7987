"""Accuracy and loss on images that are not trained on; accuracy also with batch normalisation recalibrated."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Set
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets.augment import Augment

CHUNK = 500
RECALIBRATION_IMAGES = 4096


def plain_logits(model: nn.Module, images: Tensor, augment: Augment) -> Iterator[Tensor]:
    """Logits ``[b, C]`` of the plain views of ``images`` ``[M, C, H, W]``, :data:`CHUNK` at a time, in evaluation mode.

    The model is left in the mode it came in; call it without gradients.
    """
    training = model.training
    model.eval()
    for chunk in images.split(CHUNK):
        yield model(augment.plain_view(chunk))
    model.train(training)


def plain_outputs(model: Any, images: Tensor, augment: Augment) -> Iterator[tuple[Tensor, Tensor]]:
    """As :func:`plain_logits`, features ``[b, h]`` and logits ``[b, C]``, both float32."""
    training = model.training
    model.eval()
    for chunk in images.split(CHUNK):
        features = model.forward_features(augment.plain_view(chunk))
        yield features.float(), model.head(features).float()
    model.train(training)


def learner_signals(needs: Set[str], features: Tensor | None, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The learner's signals ``[B, ...]`` that ``needs`` names, of float32 ``logits`` ``[B, C]``; its loss always."""
    signals = {"learner": F.cross_entropy(logits, labels, reduction="none")}
    if "learner_probs" in needs:
        signals["learner_probs"] = logits.softmax(1)
    if "learner_features" in needs:
        assert features is not None
        signals["learner_features"] = features.float()
    return signals


@torch.no_grad()
def correct_bits(model: nn.Module, images: Tensor, labels: Tensor, augment: Augment) -> Tensor:
    """Whether each of ``images`` ``[M, C, H, W]`` uint8 is classified right, ``[M]`` bool."""
    return torch.cat([logits.argmax(1) for logits in plain_logits(model, images, augment)]) == labels


@torch.no_grad()
def mean_loss(model: nn.Module, images: Tensor, labels: Tensor, augment: Augment) -> float:
    """Mean plain cross-entropy on ``images`` ``[M, C, H, W]`` in evaluation mode (waits for the device)."""
    total = torch.zeros((), dtype=torch.float64, device=labels.device)
    for logits, given in zip(plain_logits(model, images, augment), labels.split(CHUNK), strict=True):
        total += F.cross_entropy(logits.float(), given, reduction="sum")
    return float(total) / len(labels)


@torch.no_grad()
def recalibrated(model: nn.Module, images: Tensor, augment: Augment) -> nn.Module:
    """A copy of ``model`` whose batch-normalisation statistics come from clean ``images``.

    Every arm is recalibrated on the same images, so that what selection did to the running
    statistics is separated from its effect on the weights.
    """
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # cumulative average: every batch weighs the same
    model.train()
    images = images[:RECALIBRATION_IMAGES]
    size = min(256, len(images))
    for at in range(0, len(images) - size + 1, size):
        model(augment.plain_view(images[at : at + size]))
    return model.eval()
