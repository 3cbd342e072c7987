"""What a cell's record says of the net that it trained."""

from __future__ import annotations

import torch

from selbench.harness.datasets.base import Images
from selbench.harness.datasets.loaded import LoadedData
from selbench.harness.plan.matrix import read
from selbench.harness.tasks.cell import recalibration_images


def test_batch_normalisation_is_recalibrated_on_every_class_of_a_folder():
    labels = torch.arange(10).repeat_interleave(1000)
    images = labels.to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)  # each shows its class
    entry = read("quick").datasets[0]
    loaded = LoadedData(entry, Images(images, labels, images, labels, tuple("abcdefghij")), "", 2, "none", 0)
    shown = recalibration_images(loaded, 0)[:, 0, 0, 0].long()
    assert len(shown) == 4096
    assert all(part.bincount(minlength=10).min() >= 10 for part in shown.split(256))
    assert torch.equal(shown, recalibration_images(loaded, 0)[:, 0, 0, 0].long()), "the same for every arm"
