"""A folder of images looked at, and a few training steps timed, before anything is planned for it."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from ...strategies.registry import registry
from ..datasets.augment import Augment
from ..datasets.samples import Samples
from ..datasets.spec import dataset
from ..plan.trial import Seen, Size
from ..streams import generator
from ..training.numerics import candidates
from .calibration import plain_step

LOOKED_AT = 200  # files whose size is read, evenly spread over the training images
SPLIT = 0.2  # share of the images drawn for the test where the folder has no test/
BATCH = 64


def look(folder: Path) -> Seen:
    """Count the images of a folder of class folders, or of one with train/ and test/; none is decoded.

    Raises
    ------
    UsageError
        Where it is no folder, holds no class folders, or only one.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file: name the folder that holds one folder of images for each class")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: correct the path")
    given = {path.name.lower() for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if not given:
        raise UsageError(f"{folder} holds no folders: put the images of each class into a folder of its own")
    share = None if {"train", "test"} <= given else SPLIT
    options = {"odd_folders": "mend", **({} if share is None else {"split": share})}
    images: Any = dataset(f"imagefolder:{folder}", options)
    listing = images.listing(None, download=False)
    if len(listing.classes) < 2:
        only = f"only {listing.classes[0]!r} holds images" if listing.classes else "there is none"
        raise UsageError(f"{folder}: at least two class folders are needed to tell apart, and {only}")
    every = max(1, len(listing.train) // LOOKED_AT)
    sides = images.sides(listing.train[::every])
    if not sides:
        raise UsageError(f"{folder}: none of the {len(listing.train[::every])} files looked at is an image")
    smallest = min(Counter(listing.train_labels).values())
    side = int(statistics.median(sides))
    return Seen(len(listing.train), len(listing.test), len(listing.classes), smallest, side, share)


def image_seconds(size: Size, classes: int, device: torch.device, threads: int) -> float:
    """Seconds of plain training on one image, by the faster memory format: a few steps on noise."""
    torch.set_num_threads(threads)
    shape = (BATCH, 3, size.resolution, size.resolution)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(0)).to(device)
    samples = Samples(noise, (torch.arange(BATCH) % classes).to(device), classes)
    augment = Augment("none", size.resolution, torch.full((3,), 0.5, device=device), torch.ones(3, device=device))
    learner: Any = registry("learners").load(size.learner, width=size.width)
    net = learner.build(3, size.resolution, classes, generator(0), "cpu")
    fitting = [one for one in candidates(None, "auto", device) if one.fits(net, device)]
    return min(plain_step(learner, samples, augment, one) for one in fitting) / BATCH
