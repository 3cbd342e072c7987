"""Where the numbers are drawn from. Every population of differences has mean 0: a null holds exactly at its mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Share of runs that collapse, the points that they lose, and the SD of all others
COLLAPSES, LOSS, NOISE = 0.03, 20.0, 2.0


@dataclass(frozen=True)
class Population:
    """Differences in points, or the costs of runs."""

    name: str
    text: str
    symmetric: bool  # the sign-flip test's null holds as well
    draw: Callable[[np.random.Generator, tuple[int, ...]], Array]  # an array of the given shape
    collapse: float = -np.inf  # below this a difference is of a collapsed run
    mean: float = 0.0


def _rare_collapse(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    lost = LOSS * (rng.random(shape) < COLLAPSES)
    return np.asarray(rng.normal(COLLAPSES * LOSS, NOISE, shape) - lost)


POPULATIONS = (
    Population("normal", "normal, SD 1", True, lambda rng, shape: rng.normal(0.0, 1.0, shape)),
    Population("heavy-tailed", "Student's t with 3 df", True, lambda rng, shape: rng.standard_t(3, shape)),
    Population("skewed up", "exponential - 1", False, lambda rng, shape: rng.exponential(1.0, shape) - 1.0),
    Population("skewed down", "1 - exponential", False, lambda rng, shape: 1.0 - rng.exponential(1.0, shape)),
    Population(
        "rare collapse",
        f"{COLLAPSES:.0%} of runs lose {LOSS:g} points, SD {NOISE:g} otherwise",
        False,
        _rare_collapse,
        COLLAPSES * LOSS - LOSS / 2,
    ),
)


def _interrupted(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.normal(1.0, 0.03, shape) + 0.5 * (rng.random(shape) < 0.05))


COSTS = (
    Population("steady seconds", "normal, SD 3 % of the mean", True, lambda r, n: r.normal(1.0, 0.03, n), mean=1.0),
    Population("interrupted", "the same; 5 % of runs take half as long again", False, _interrupted, mean=1.025),
)
