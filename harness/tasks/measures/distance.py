"""How far apart lie the images that are picked together, beside random ones of their number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...plan.measures import DistanceOptions
from ...streams import derive, generator

CHUNK = 2048
"""Rows whose distances to all others are held at once."""


def nearest(rows: Tensor) -> Tensor:
    """Euclidean distance ``[n]`` of each of ``rows`` ``[n, d]`` to its nearest neighbour, n >= 2."""
    rows = rows - rows.mean(0)
    squares, found = rows.square().sum(1), []
    for at in range(0, len(rows), CHUNK):
        part = rows[at : at + CHUNK]
        expanded = squares - 2 * (part @ rows.T)
        own = torch.arange(len(part), device=rows.device)
        expanded[own, own + at] = torch.inf
        # The expanded square rounds off small distances: it says which is nearest, the difference how near.
        found.append((part - rows[expanded.argmin(1)]).norm(dim=1))
    return torch.cat(found)


def distance(
    options: DistanceOptions, features: Tensor, selections: list[tuple[Tensor, Tensor | None]], seed: int
) -> dict[str, Any] | None:
    """The distances as the record holds them; None where nothing was selected.

    Parameters
    ----------
    options : DistanceOptions
    features : Tensor ``[n, d]`` float32
        Of the pool.
    selections : list of (picks ``[k]``, candidates ``[B]`` or None)
        Ids in the pool, two picks or more; None stands for the whole pool as candidates.
    seed : int
        Of the run.
    """
    if not selections:
        return None
    draws = options.draws // len(selections)
    ours, random = [], []
    for place, (picks, candidates) in enumerate(selections):
        stream = generator(derive(seed, "measure", "distance"), place)
        among = torch.arange(len(features), device=features.device) if candidates is None else candidates
        ours.append(_both(options, features[picks]))
        for _ in range(draws):
            drawn = torch.randperm(len(among), generator=stream)[: len(picks)].to(features.device)
            random.append(_both(options, features[among[drawn]]))
    (minimum, low), (random_minimum, random_low) = (torch.stack(seen).mean(0).tolist() for seen in (ours, random))
    return {
        "reference": options.reference,
        "samples": len(selections),
        "draws": len(random),
        "size": sum(len(picks) for picks, _ in selections) / len(selections),
        "quantile": options.quantile,
        "minimum": minimum,
        "low": low,
        "random_minimum": random_minimum,
        "random_low": random_low,
    }


def _both(options: DistanceOptions, rows: Tensor) -> Tensor:
    """The minimum and the low quantile, ``[2]``."""
    near = nearest(rows).double().sort().values
    place = min(len(near) - 1, int(options.quantile * len(near)))
    return torch.stack([near[0], near[place]])
