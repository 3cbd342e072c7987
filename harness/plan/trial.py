"""A matrix for a folder of images and a number of minutes: what can be trained to its plateau, and judged, in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product, takewhile
from typing import Any

from ...strategies import UsageError

KEEP = 0.5  # keep ratio of every rule
PROXY = 5.0  # passes of the proxy that static rules read
MARGINS = ((1000, 2.0), (5000, 1.0))  # points, for fewer test images than this; half a point from there on
SPARE = 0.6  # of the processors' time goes into steps: the rest is evaluation, artefacts, and cores that share memory
START = 15.0  # seconds before the first step: imports, decoding, timing
VISITS = 24_000  # images shown, repeats counted, by when nets of these sizes stopped gaining on small folders
VAL = 0.1
PASSES = (12, 60)  # fewest and most passes over the training images
LONGER = 2.0  # full trains so many times as long as it should need, where any net and rule allow it
LEAST_TRAIN, LEAST_TEST, LEAST_CLASS = 60, 20, 3  # images
SECOND = 0.6  # of the minutes for the first look, so that there is time for another


@dataclass(frozen=True)
class Seen:
    """An image folder as it was found."""

    train: int
    test: int
    classes: int
    smallest: int  # training images of the smallest class
    side: int  # median of the shorter sides, in pixels
    split: float | None  # share of the images drawn for the test; None where the folder says which they are


@dataclass(frozen=True)
class Size:
    """A net and the side of the images that it sees, in pixels."""

    learner: str
    width: int
    resolution: int

    def __str__(self) -> str:
        return f"{self.learner} of width {self.width} at {self.resolution} px"


SIZES = (
    Size("resnet8", 8, 16),
    Size("resnet8", 16, 16),
    Size("resnet8", 16, 24),
    Size("resnet8", 16, 32),
    Size("resnet18", 16, 32),
    Size("resnet18", 32, 32),
    Size("resnet18", 32, 64),
    Size("resnet18", 64, 64),
    Size("resnet18", 64, 128),
    Size("resnet18", 64, 224),
)
"""From the cheapest on."""


@dataclass(frozen=True)
class Rules:
    """Rules that are tried together, and the numbers of seeds at which their family is judged."""

    names: tuple[str, ...]
    looks: tuple[int, ...]

    @property
    def runs(self) -> float:
        """What one seed costs, in full trainings: the baselines, and each rule with its twins."""
        return BASELINES + sum(COST[name] for name in self.names)


BASELINES = 1.0 + 0.5 + 1 / 0.9 + KEEP * 1.5  # full and uniform at half and all of the budget, full on val too
COST = {
    # the rule, random picks of its number, full and uniform at its cost; a scoring pass is a third of a training pass
    "infobatch": 4 * 0.75,
    "ccs": 4 * KEEP + 0.2,  # and the proxy
    "loss": 3 * (KEEP + 1 / 3),  # its random picks are uniform itself
}
FAMILIES = (Rules(("ccs", "infobatch", "loss"), (8, 12, 16)), Rules(("ccs", "infobatch"), (7, 11, 15)),
            Rules(("ccs",), (6, 9, 12)))  # fmt: skip
"""The most rules first; fewer are judged by fewer seeds."""


@dataclass(frozen=True)
class Trial:
    """What is trained. ``seconds`` are those of the first look, by its own estimate."""

    size: Size
    rules: Rules
    passes: int
    batch: int
    train: int  # training images; fewer than there are where not all fit
    margin: float  # points
    seconds: float


def choose(seen: Seen, minutes: float, workers: int, seconds_of: Callable[[Size], float]) -> Trial:
    """The largest net and images that full training brings to its plateau, so that a first look is taken in time.

    A plateau comes before more rules, and both before a larger net: what is judged must be trained enough.

    Parameters
    ----------
    seen : Seen
    minutes : float
        Of the whole trial.
    workers : int
        Runs at a time.
    seconds_of : callable
        Seconds of one worker that training on one image takes at a :class:`Size`; asked from the cheapest size on,
        until one does not fit.

    Raises
    ------
    UsageError
        Where the folder is too small to say anything, or no first look fits into the minutes.
    """
    _refuse(seen)
    sizes = _sizes(seen.side)
    cost = cache(seconds_of)
    pool = _pool(seen.train)
    least = passes_for(pool)

    def _trial(size: Size, rules: Rules, passes: int, train: int) -> Trial:
        margin = next((points for images, points in MARGINS if seen.test < images), 0.5)
        run = passes * _pool(train) * cost(size)
        batch = 64 if _pool(train) >= 512 else 32
        return Trial(size, rules, passes, batch, train, margin, START + _first_look(rules, run, workers))

    plans = [*product((LONGER * least,), FAMILIES, (SECOND, 1.0)), (least, FAMILIES[-1], 1.0)]
    for passes, rules, share in plans:
        most = _for_a_run(rules, share * 60 * minutes, workers) / pool  # seconds for each image that is trained on
        larger = sizes if passes > least else sizes[:1]
        if fitting := list(takewhile(lambda size: passes * cost(size) <= most, larger)):  # noqa: B023
            return _trial(fitting[-1], rules, int(min(LONGER * least, most / cost(fitting[-1]))), seen.train)
    # No size fits on all images: the cheapest, on as many of them as there is time for.
    smallest, rules = sizes[0], FAMILIES[-1]
    fits = int(_for_a_run(rules, 60 * minutes, workers) / (PASSES[0] * cost(smallest)))
    if fits * PASSES[0] < VISITS or fits >= pool:
        needed = START + _first_look(rules, min(least * pool, VISITS) * cost(smallest), workers)
        raise UsageError(
            f"--minutes {minutes:g} is too short for {seen.train:,} training images and {workers} runs at a time: even "
            f"{smallest} needs --minutes {math.ceil(needed / 60)} to be judged at all"
        )
    return _trial(smallest, rules, PASSES[0], fits * seen.train // pool)


def passes_for(pool: int) -> int:
    """Passes over ``pool`` images by which full training should be at its plateau."""
    return max(PASSES[0], min(PASSES[1], round(VISITS / pool)))


def _refuse(seen: Seen) -> None:
    if seen.train < LEAST_TRAIN or seen.test < LEAST_TEST:
        raise UsageError(
            f"{seen.train} training and {seen.test} test images are too few to compare rules by: there must be at "
            f"least {LEAST_TRAIN} and {LEAST_TEST}"
        )
    if seen.smallest < LEAST_CLASS:
        raise UsageError(
            f"the smallest class has {seen.smallest} training images: give each at least {LEAST_CLASS}, or remove it"
        )


def _sizes(side: int) -> list[Size]:
    """The sizes without larger images than there are, each once."""
    most = max(8, side // 8 * 8)
    return list(dict.fromkeys(replace(size, resolution=min(size.resolution, most)) for size in SIZES))


def _pool(train: int) -> int:
    """Images that are trained on: a tenth is withheld as val."""
    return train - round(VAL * train)


def _for_a_run(rules: Rules, seconds: float, workers: int) -> float:
    """Seconds of one worker for one full training, so that the first look takes ``seconds`` in all."""
    return max(0.0, seconds - START) * workers * SPARE / (rules.looks[0] * rules.runs)


def _first_look(rules: Rules, run: float, workers: int) -> float:
    return run * rules.looks[0] * rules.runs / (workers * SPARE)


def table_of(trial: Trial, seen: Seen, name: str, title: str, path: str) -> dict[str, Any]:
    """The matrix of a trial, as its file holds it."""
    size, classes = trial.size, seen.classes
    options: dict[str, Any] = {"resolution": size.resolution, "on_error": "skip", "odd_folders": "mend"}
    options |= {} if seen.split is None else {"split": seen.split}
    options |= {} if trial.train == seen.train else {"limit": trial.train}
    return {
        "name": name,
        "title": title,
        "batch": trial.batch,
        "ladder": [0.5, 1.0],
        "memory_format": "auto",
        "budget": {"passes": trial.passes},
        "learner": {"name": size.learner, "width": size.width},
        "schedule": {"name": "fixed", "ratio": KEEP},
        "proxy": {"passes": min(PROXY, trial.passes)},
        "datasets": [
            {
                "name": "images",
                "title": title,
                "spec": f"imagefolder:{path}",
                "options": options,
                "augmentation": "none",
                "val": VAL,
                "margin": trial.margin,
                "collapse": (2.0 if classes > 3 else 1.1) / classes,
            }
        ],
        "strategies": [{"name": name} for name in trial.rules.names],
        "analysis": {"primary": [f"{name}:pays" for name in trial.rules.names], "looks": list(trial.rules.looks)},
        "studies": [{"analysis": "worth", "question": "Should I select my training images?"}],
    }
