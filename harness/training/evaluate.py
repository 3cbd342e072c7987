"""Accuracy and loss on images that are not trained on; accuracy also with batch normalisation recalibrated."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets.augment import Augment

CHUNK = 500
RECALIBRATION_IMAGES = 4096


@torch.no_grad()
def correct_bits(model: nn.Module, images: Tensor, labels: Tensor, augment: Augment) -> Tensor:
    """Whether each image is classified right.

    Parameters
    ----------
    model : nn.Module
        Left in the mode it came in.
    images : Tensor ``[M, C, H, W]`` uint8
    labels : Tensor ``[M]`` int64
    augment : Augment
        Gives the plain view.

    Returns
    -------
    Tensor ``[M]`` bool
    """
    training = model.training
    model.eval()
    hits = [
        model(augment.plain_view(images[at : at + CHUNK])).argmax(1) == labels[at : at + CHUNK]
        for at in range(0, len(images), CHUNK)
    ]
    model.train(training)
    return torch.cat(hits)


@torch.no_grad()
def mean_loss(model: nn.Module, images: Tensor, labels: Tensor, augment: Augment) -> float:
    """Mean plain cross-entropy in evaluation mode (waits for the device).

    Parameters
    ----------
    model : nn.Module
        Left in the mode it came in, its running statistics untouched.
    images : Tensor ``[M, C, H, W]`` uint8
    labels : Tensor ``[M]`` int64
    augment : Augment
        Gives the plain view.
    """
    training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=labels.device)
    for at in range(0, len(images), CHUNK):
        logits = model(augment.plain_view(images[at : at + CHUNK])).float()
        total += F.cross_entropy(logits, labels[at : at + CHUNK], reduction="sum")
    model.train(training)
    return float(total) / len(labels)


@torch.no_grad()
def recalibrated(model: nn.Module, images: Tensor, augment: Augment) -> nn.Module:
    """A copy of ``model`` whose batch-normalisation statistics come from clean ``images``.

    Every arm is recalibrated on the same images, so that what selection did to the running
    statistics is told apart from what it did to the weights.
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
