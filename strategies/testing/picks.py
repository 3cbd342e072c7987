"""Laws about what ``select`` returns. Each raises :class:`Broken` with what to change."""

from typing import Any

import torch
from torch import Tensor

from ..interface import HELD_OUT_SIGNALS
from .subject import SIZES, Broken, Call, NotJudged, Scene, Subject, odd_features, odd_losses, unseen

FEATURES = {"features", "learner_features"} | HELD_OUT_SIGNALS
"""What has to do with features: the rest of the signals is told apart by the laws of losses and of needs."""


def runs(subject: Subject) -> None:
    """``select`` returns picks for one candidate, two, an odd number and many."""
    assert subject.plain


def count(subject: Subject, calls: list[Call] | None = None) -> None:
    """Exactly ``keep_count(ratio, B)`` picks; where ``exact_count`` is False, between 1 and B."""
    for at, ratio, picks in calls or subject.plain:
        shape = list(picks.indices.shape)
        if len(shape) != 1:
            raise Broken(f"picks have shape {shape} on {at.about}: return one dimension, [k]")
        if not subject.traits.exact_count:
            if not 1 <= shape[0] <= at.size:
                raise Broken(f"{shape[0]} picks on {at.about}: keep at least 1 and at most B")
        elif shape[0] != (kept := subject.kept(at, ratio)):
            raise Broken(
                f"{shape[0]} picks on {at.about}, ratio {ratio}, where {kept} were asked for: keep "
                "max(1, round(ratio * B)), or set exact_count = False at cadence 'epoch' or 'run'"
            )


def in_range(subject: Subject, calls: list[Call] | None = None) -> None:
    """Every pick is a position in [0, B)."""
    for at, ratio, picks in calls or subject.plain:
        lowest, highest = int(picks.indices.min()), int(picks.indices.max())
        if lowest < 0 or highest >= at.size:
            raise Broken(
                f"picks from {lowest} to {highest} on {at.about}, ratio {ratio}: return positions in [0, B), "
                "not the ids of losses.index"
            )


def unique(subject: Subject, calls: list[Call] | None = None) -> None:
    """No candidate is picked twice."""
    for at, ratio, picks in calls or subject.plain:
        if twice := picks.indices.numel() - picks.indices.unique().numel():
            raise Broken(f"{twice} picks come twice on {at.about}, ratio {ratio}: draw without replacement")


def dtype(subject: Subject) -> None:
    """Picks are int64."""
    for _, _, picks in subject.plain:
        if picks.indices.dtype != torch.int64:
            raise Broken(f"picks are {picks.indices.dtype}: return torch.int64, for example picks.long()")


def weights(subject: Subject) -> None:
    """Weights are one for each pick, floating, positive and finite."""
    given = [call for call in subject.plain if call[2].weights is not None]
    if not given:
        raise NotJudged("it returns no weights")
    odd: list[Call] = [(at, 0.5, subject.fresh_picks(at, 0.5)) for at in _odd_losses(subject)]
    _positive(given + odd)


def _positive(calls: list[Call]) -> None:
    for at, ratio, picks in calls:
        found: Any = picks.weights
        if found is None:
            continue
        if not isinstance(found, Tensor) or found.shape != picks.indices.shape or not found.is_floating_point():
            raise Broken(f"weights on {at.about} must be a floating tensor of shape {list(picks.indices.shape)}")
        if not bool((torch.isfinite(found) & (found > 0)).all()):
            raise Broken(
                f"weights from {float(found.min())} to {float(found.max())} on {at.about}, ratio {ratio}: "
                "they must be positive and finite; clamp them"
            )


def ratio_one(subject: Subject) -> None:
    """At ratio 1 everything is kept."""
    if not subject.traits.exact_count:
        raise NotJudged("exact_count is False: how many are kept is the rule's own")
    for at in map(subject.scene, SIZES):
        if subject.fresh_picks(at, 1.0).listed() != list(range(at.size)):
            raise Broken(f"at ratio 1 it left candidates out on {at.about}: keep all B")


def losses(subject: Subject) -> None:
    """Equal, tied, huge, NaN and infinite losses still give k unique positions."""
    mend = "give such losses a place in the order (torch.nan_to_num, or NaN last)"
    _valid(subject, _odd_losses(subject), mend)


def _odd_losses(subject: Subject) -> list[Scene]:
    return odd_losses(subject.traits.cadence, subject.traits.needs)


def features(subject: Subject) -> None:
    """Zero, duplicate, half-precision, NaN and infinite features still give k unique positions."""
    if not subject.traits.needs & FEATURES:
        raise NotJudged("it reads no features")
    mend = "compute in float32, guard divisions by a norm of 0, and give NaN scores a place"
    _valid(subject, odd_features(subject.traits.cadence), mend)


def first_epoch(subject: Subject) -> None:
    """At cadence ``epoch``, picks are valid before the first step, and while half of the pool was never trained on."""
    if subject.traits.cadence != "epoch":
        raise NotJudged(f"at cadence {subject.traits.cadence!r} no selection comes before its signals")
    at = subject.scene(40)
    mend = "a sample of age -1 has loss +inf, probabilities 1/C and features 0 (see strategies.interface.never_seen)"
    strategy = subject.begun(at)
    try:
        for epoch, seen in enumerate((0, 20)):
            now = unseen(at, seen)
            losses = now.losses(k=subject.kept(now, 0.5), epoch=epoch)
            calls = [(now, 0.5, subject.select(strategy, now, 0.5, losses))]
            for law in (count, in_range, unique):
                law(subject, calls)
            _positive(calls)
    except Broken as error:
        raise Broken(f"{error}; {mend}") from error


def _valid(subject: Subject, scenes: list[Scene], mend: str) -> None:
    for at in scenes:
        try:
            calls = [(at, 0.6, subject.fresh_picks(at, 0.6))]
            for law in (count, in_range, unique):
                law(subject, calls)
        except Broken as error:
            raise Broken(f"{error}; {mend}") from error


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
