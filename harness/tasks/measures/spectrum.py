"""The tail of the covariance spectrum of what was selected, beside random selections of equal size.

A fitted slope depends on how many images the covariance is of, so that a selection is never compared with the pool but
with its own weights, assigned to the pool's images at random. Bounded weights c <= w <= C bound each eigenvalue
by c and C times that of the pool (min-max principle), which leaves a power law its exponent.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...plan.measures import ROOM, SpectrumOptions
from ...streams import permutation


def eigenvalues(rows: Tensor, weights: Tensor) -> Tensor:
    """Of the weighted, centred covariance, falling.

    Parameters
    ----------
    rows : Tensor ``[n, d]`` float64
    weights : Tensor ``[n]`` float64, >= 0

    Returns
    -------
    Tensor ``[d]`` float64
    """
    kept = weights > 0
    rows, shares = rows[kept], weights[kept] / weights.sum()
    centred = (rows - shares @ rows) * shares.sqrt()[:, None]
    return torch.linalg.eigvalsh(centred.T @ centred).flip(0)


def tail(values: Tensor, first: int, last: int) -> tuple[float, float] | None:
    """Exponent b and level of a power law k^-b through ranks ``first`` to ``last``, by least squares in logarithms.

    Parameters
    ----------
    values : Tensor ``[d]``
        Eigenvalues, falling.
    first, last : int
        From 1; both are part of the window.

    Returns
    -------
    tuple of float, or None
        The level is the mean logarithm inside the window. None where there are no values above 0 all through it.
    """
    logs = values[first - 1 : last].double().log()
    if len(logs) < last - first + 1 or not bool(torch.isfinite(logs).all()):
        return None
    ranks = torch.arange(first, last + 1, dtype=torch.float64, device=logs.device).log()
    ranks = ranks - ranks.mean()
    return -float((ranks @ logs) / (ranks @ ranks)), float(logs.mean())


def principal_components(features: Tensor, components: int) -> Tensor:
    """Features ``[n, d]`` in the leading principal directions of all of them: ``[n, min(components, d)]`` float64."""
    rows = features.double()
    rows = rows - rows.mean(0)
    if rows.shape[1] <= components:
        return rows
    return rows @ torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -components:]


def spectrum(
    options: SpectrumOptions, features: Tensor, hard: Tensor, soft: Tensor | None, seed: int
) -> dict[str, Any]:
    """The spectrum as the record holds it.

    Parameters
    ----------
    options : SpectrumOptions
    features : Tensor ``[n, d]``
        Of the pool.
    hard : Tensor ``[n]``
        How often each image was picked.
    soft : Tensor ``[n]`` or None
        The sum of the weights that it was trained with; None where nothing was weighted.
    seed : int
        Of the run: its cells share their random selections.
    """
    rows = principal_components(features, options.components)
    whole = tail(eigenvalues(rows, torch.ones_like(rows[:, 0])), options.first, options.last)
    return {
        "reference": options.reference,
        "features": features.shape[1],
        "components": rows.shape[1],
        "first": options.first,
        "last": options.last,
        "pool": None if whole is None else whole[0],
        "hard": _beside(options, rows, hard.double(), seed),
        "soft": None if soft is None else _beside(options, rows, soft.double(), seed),
    }


def _beside(options: SpectrumOptions, rows: Tensor, weights: Tensor, seed: int) -> dict[str, Any]:
    """One selection and its random draws: the same weights on other images."""
    size = int((weights > 0).sum())
    found: dict[str, Any] = {"size": size, "effective": float(weights.sum() ** 2 / (weights**2).sum())}
    if size < ROOM * options.last:
        return {**found, "lacking": f"a window to rank {options.last} needs {ROOM * options.last} images"}
    fits = [tail(eigenvalues(rows, weights), options.first, options.last)]
    for draw in range(options.draws):
        order = permutation(len(weights), seed, "measure", "spectrum", draw).to(weights.device)
        fits.append(tail(eigenvalues(rows, weights[order]), options.first, options.last))
    known = [fit for fit in fits if fit is not None and all(map(math.isfinite, fit))]
    if len(known) < len(fits):
        return {**found, "lacking": "the covariance has no full rank inside the window"}
    (exponent, level), *random = known
    return {
        **found,
        "exponent": exponent,
        "level": level,
        "random_exponents": [fit[0] for fit in random],
        "random_levels": [fit[1] for fit in random],
    }
