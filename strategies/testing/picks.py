"""Laws about what ``select`` returns. Each raises :class:`Broken` with what to change."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .scenes import Scene, odd_features, odd_losses
from .subject import SIZES, Broken, NotJudged, Picks, Subject


def runs(subject: Subject) -> None:
    """``select`` returns picks for one candidate, two, an odd number and many."""
    assert subject.plain


def count(subject: Subject) -> None:
    """Exactly ``keep_count(ratio, B)`` picks; where ``exact_count`` is False, between 1 and B."""
    for at, ratio, picks in subject.plain:
        _counted(subject, at, ratio, picks)


def in_range(subject: Subject) -> None:
    """Every pick is a position in [0, B)."""
    for at, ratio, picks in subject.plain:
        _ranged(at, ratio, picks)


def unique(subject: Subject) -> None:
    """No candidate is picked twice."""
    for at, ratio, picks in subject.plain:
        _once(at, ratio, picks)


def dtype(subject: Subject) -> None:
    """Picks are int64."""
    for _, _, picks in subject.plain:
        if picks.indices.dtype != torch.int64:
            raise Broken(f"picks are {picks.indices.dtype}: return torch.int64, for example picks.long()")


def weights(subject: Subject) -> None:
    """Weights are one for each pick, floating, positive and finite."""
    given = [(at, ratio, picks) for at, ratio, picks in subject.plain if picks.weights is not None]
    if not given:
        raise NotJudged("it returns no weights")
    for at in odd_losses(subject.traits.cadence):
        given.append((at, 0.5, subject.fresh_picks(at, 0.5)))
    for at, ratio, picks in given:
        _weighted(at, ratio, picks)


def ratio_one(subject: Subject) -> None:
    """At ratio 1 everything is kept."""
    if not subject.traits.exact_count:
        raise NotJudged("exact_count is False: how many are kept is the rule's own")
    for at in map(subject.scene, SIZES):
        if subject.fresh_picks(at, 1.0).listed() != list(range(at.size)):
            raise Broken(f"at ratio 1 it left candidates out on {at.about}: keep all B")


def losses(subject: Subject) -> None:
    """Equal, tied, huge, NaN and infinite losses still give k unique positions."""
    for at in odd_losses(subject.traits.cadence):
        _valid(subject, at, "give such losses a place in the order (torch.nan_to_num, or NaN last)")


def features(subject: Subject) -> None:
    """Zero, duplicate, half-precision, NaN and infinite features still give k unique positions."""
    for at in odd_features(subject.traits.cadence):
        _valid(subject, at, "compute in float32, guard divisions by a norm of 0, and give NaN scores a place")


def reproducible(subject: Subject) -> None:
    """The same generator state gives the same picks, call after call."""
    calls = [subject.scene(40, seed=seed) for seed in range(3)]
    first, second = subject.begun(calls[0]), subject.begun(calls[0])
    for at in calls:
        if not torch.equal(subject.select(first, at, 0.4).indices, subject.select(second, at, 0.4).indices):
            raise Broken(
                "two instances with the same stream pick differently: draw from pool.generator alone "
                "and let nothing depend on the time, the process or the order of a set"
            )


def equivariant(subject: Subject) -> None:
    """A rule that draws nothing picks the same candidates in whatever order they come."""
    if not subject.traits.needs:
        raise NotJudged("it reads no signal, so it can only go by position or chance")
    for size, width in ((37, 8), (200, 24)):
        at = subject.scene(size, width=width)
        plain = subject.fresh_picks(at, 0.3).listed()
        if any(subject.fresh_picks(at, 0.3, stream).listed() != plain for stream in (1, 2, 3)):
            raise NotJudged("it draws at random")
        order = torch.randperm(size, generator=torch.Generator().manual_seed(5))
        moved = subject.fresh_picks(at.permuted(order), 0.3)
        lost = set(plain) - set(order[moved.indices].tolist())
        # Sums in another order round otherwise, which may swap two candidates that are all but tied.
        if len(lost) > len(plain) // 20:
            raise Broken(
                f"shuffling the candidates changed {len(lost)} of {len(plain)} picks on {at.about}: decide by signals, "
                "never by position; break ties by the stream"
            )


def _valid(subject: Subject, at: Scene, mend: str) -> None:
    try:
        picks = subject.fresh_picks(at, 0.6)
        _counted(subject, at, 0.6, picks)
        _ranged(at, 0.6, picks)
        _once(at, 0.6, picks)
    except Broken as error:
        raise Broken(f"{error}; {mend}") from error


def _counted(subject: Subject, at: Scene, ratio: float, picks: Picks) -> None:
    shape = list(picks.indices.shape)
    if len(shape) != 1:
        raise Broken(f"picks have shape {shape} on {at.about}: return one dimension, [k]")
    if not subject.traits.exact_count:
        if not 1 <= shape[0] <= at.size:
            raise Broken(f"{shape[0]} picks on {at.about}: keep at least 1 and at most B")
    elif shape[0] != subject.kept(at, ratio):
        raise Broken(
            f"{shape[0]} picks on {at.about}, ratio {ratio}, where {subject.kept(at, ratio)} were asked for: keep "
            "max(1, round(ratio * B)), or set exact_count = False at cadence 'epoch' or 'run'"
        )


def _ranged(at: Scene, ratio: float, picks: Picks) -> None:
    lowest, highest = int(picks.indices.min()), int(picks.indices.max())
    if lowest < 0 or highest >= at.size:
        raise Broken(
            f"picks from {lowest} to {highest} on {at.about}, ratio {ratio}: return positions in [0, B), "
            "not the ids of losses.index"
        )


def _once(at: Scene, ratio: float, picks: Picks) -> None:
    twice = picks.indices.numel() - picks.indices.unique().numel()
    if twice:
        raise Broken(f"{twice} picks come twice on {at.about}, ratio {ratio}: draw without replacement")


def _weighted(at: Scene, ratio: float, picks: Picks) -> None:
    found: Any = picks.weights
    if found is None:
        return
    if not isinstance(found, Tensor) or found.shape != picks.indices.shape or not found.is_floating_point():
        raise Broken(f"weights on {at.about} must be a floating tensor of shape {list(picks.indices.shape)}")
    if not bool((torch.isfinite(found) & (found > 0)).all()):
        raise Broken(
            f"weights from {float(found.min())} to {float(found.max())} on {at.about}, ratio {ratio}: "
            "they must be positive and finite; clamp them"
        )
