"""Where the numbers are drawn from. Every population of differences has mean 0: a null holds exactly at its mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

COLLAPSES, LOSS, NOISE = 0.03, 20.0, 2.0
"""Share of runs that collapse, the points that they lose, and the SD of all others."""


@dataclass(frozen=True)
class Population:
    """Differences in points, of mean 0.

    Parameters
    ----------
    name, text : str
    symmetric : bool
        Whether the sign-flip test's null holds as well.
    draw : callable
        ``(generator, shape)`` gives an array of that shape.
    collapse : float
        Below this a difference is of a collapsed run.
    """

    name: str
    text: str
    symmetric: bool
    draw: Draw
    collapse: float = -np.inf


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


@dataclass(frozen=True)
class Costs:
    """Costs of one run, of a known mean.

    Parameters
    ----------
    name, text : str
    mean : float
    draw : callable
    """

    name: str
    text: str
    mean: float
    draw: Draw


def _interrupted(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.normal(1.0, 0.03, shape) + 0.5 * (rng.random(shape) < 0.05))


COSTS = (
    Costs("steady seconds", "normal, SD 3 % of the mean", 1.0, lambda rng, shape: rng.normal(1.0, 0.03, shape)),
    Costs("interrupted", "the same; 5 % of runs take half as long again", 1.025, _interrupted),
)
