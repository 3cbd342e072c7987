"""Two-level factorial designs in blocks: which effects a design tells apart, and how large they are.

An effect is the mean at the high level less the mean at the low one; that of two factors together (their interaction)
is half of what the one changes by when the other goes from low to high. Box, Hunter & Hunter, Statistics for
Experimenters (1978), chapters 10 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .paired import mean_interval
from .samples import Array, Interval

Signs = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Term:
    """What a design measures as one number.

    Parameters
    ----------
    name : str
        ``a`` for a main effect, ``a \u00d7 b`` for an interaction; interactions that the design cannot tell apart stand
        together, with the sign that each has in the number: ``a \u00d7 b + c \u00d7 d``.
    main : bool
    signs : array ``[arms]``
        +1 where an arm counts as high, -1 where as low.
    """

    name: str
    main: bool
    signs: Signs


class Fit(NamedTuple):
    """An interval for each term, with the residual degrees of freedom and SD that all rest on."""

    effects: tuple[Interval, ...]
    df: int
    sd: float


def terms(levels: ArrayLike, names: Sequence[str]) -> tuple[Term, ...]:
    """The main effects and two-way interactions that a design measures, aliased interactions as one.

    Parameters
    ----------
    levels : array ``[arms, factors]``
        +1 for the high level of a factor, -1 for the low one.
    names : sequence of str
        Of the factors.

    Raises
    ------
    ValueError
        One line, where a main effect cannot be told from the mean, another main effect or a two-way interaction, or
        two effects are told apart in part only.
    """
    design = np.asarray(levels, dtype=np.int64)
    found: list[Term] = []
    for size in (1, 2):
        for chosen in combinations(range(len(names)), size):
            term = Term(" \u00d7 ".join(names[i] for i in chosen), size == 1, design[:, list(chosen)].prod(axis=1))
            _place(term, found)
    return tuple(found)


def _place(term: Term, found: list[Term]) -> None:
    """Add ``term`` to those found, or join it to the one that it is aliased with."""
    arms = len(term.signs)
    if common := abs(int(term.signs.sum())):
        part = "" if common == arms else "in part "
        raise ValueError(f"{term.name!r} is {part}confounded with the mean: as many arms must be high in it as low")
    for i, other in enumerate(found):
        product = int(term.signs @ other.signs)
        if product == 0:
            continue
        if abs(product) < arms:
            raise ValueError(f"{term.name!r} is in part confounded with {other.name!r}: leave no combination out")
        if term.main or other.main:
            raise ValueError(f"{term.name!r} is confounded with {other.name!r}: they are high in the same arms, or low")
        sign = "+" if product > 0 else "\u2212"
        found[i] = Term(f"{other.name} {sign} {term.name}", False, other.signs)
        return
    found.append(term)


def blocked_effects(values: ArrayLike, design: Sequence[Term], confidence: float = 0.95) -> Fit:
    """Least squares of values on blocks and terms, with t intervals.

    Interactions of three factors and more, and those of factors with blocks, are taken for noise. The noise must be
    one for all arms and independent from run to run; :func:`effects_within` needs neither.

    Parameters
    ----------
    values : array ``[blocks, arms]``
        Arms in the order of the terms' signs.
    design : sequence of Term
        As :func:`terms` gives them: balanced and orthogonal, so that each effect is a difference of means.
    confidence : float
        Two-sided.

    Raises
    ------
    ValueError
        Where nothing is left to judge the noise by, or a value is not finite.
    """
    y, signs = _checked(values, design)
    blocks, arms = y.shape
    df = blocks * arms - blocks - len(design)
    if df < 1:
        raise ValueError(f"{blocks} blocks of {arms} arms leave no residual beside {len(design)} terms")
    from statsmodels.api import OLS

    fit = OLS(y.ravel(), np.hstack([np.tile(signs / 2.0, (blocks, 1)), np.repeat(np.eye(blocks), arms, axis=0)])).fit()
    rows, sd = np.column_stack([fit.params, fit.conf_int(1 - confidence)])[: len(design)], math.sqrt(fit.mse_resid)
    return Fit(tuple(Interval(float(e), float(low), float(high), sd) for e, low, high in rows), df, sd)


def effects_within(values: ArrayLike, design: Sequence[Term], confidence: float = 0.95) -> tuple[Interval, ...]:
    """Each effect as the mean of what it is in each block, with the t interval of these.

    It holds whatever the arms of a block have in common, and wherever some vary more than others; the price is fewer
    degrees of freedom, one less than there are blocks.

    Parameters
    ----------
    values, design, confidence
        As in :func:`blocked_effects`; two blocks or more.
    """
    y, signs = _checked(values, design)
    return tuple(mean_interval(each, confidence) for each in (2.0 * y @ signs / y.shape[1]).T)


def _checked(values: ArrayLike, design: Sequence[Term]) -> tuple[Array, Array]:
    """The values ``[blocks, arms]``, and the terms' signs ``[arms, terms]``."""
    y, signs = (
        np.asarray(values, dtype=np.float64),
        np.stack([term.signs for term in design], axis=1).astype(np.float64),
    )
    if y.ndim != 2 or y.shape[1] != len(signs):
        raise ValueError(f"needs [blocks, {len(signs)} arms], got shape {y.shape}")
    if not np.isfinite(y).all():
        raise ValueError("needs finite numbers")
    return y, signs
