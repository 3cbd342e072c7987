"""The types that a strategy and its caller exchange.

Nothing here has to be imported to write a plugin: any object with the members of
:class:`selbench.strategies.base.Strategy` works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from .errors import UsageError, did_you_mean

Cadence = Literal["batch", "epoch", "run"]
WeightsMode = Literal["relative", "raw"]

LEARNER_SIGNALS = frozenset({"learner", "learner_probs", "learner_features"})
"""Signals that cost a scoring pass of the learner (or, at cadence ``run``, a proxy)."""

REFERENCE_SIGNALS = frozenset({"features", "reference"})
"""Signals that come from the reference model: ``batch_feats`` and ``losses.reference``."""

NEEDS = LEARNER_SIGNALS | REFERENCE_SIGNALS | {"trace", "age", "picks"}
"""Every name that ``needs`` may hold. Labels, ids and host numbers are always there."""


class MissingSignal(AttributeError):
    """A strategy read a signal that this batch does not carry."""


class BatchLosses:
    """What is known of each candidate: per-sample tensors ``[B]`` on one device.

    Parameters
    ----------
    learner : Tensor ``[B]``, optional
        Plain cross-entropy of the learner on the augmented view that would be trained, in nats.
    reference : Tensor ``[B]``, optional
        The reference model's cross-entropy, in nats.
    labels : Tensor ``[B]`` int64, optional
        Class of each candidate.
    index : Tensor ``[B]`` int64, optional
        Ids into the training pool.
    learner_probs : Tensor ``[B, C]``, optional
        The learner's class probabilities.
    learner_features : Tensor ``[B, h]``, optional
        The learner's penultimate layer.

        At cadence ``epoch`` all of the learner's signals are those of the last training step on the sample. A sample
        that was never trained on, as none was at the first selection, has those of :func:`never_seen`.
    trace : Tensor ``[B, T, C]``, optional
        A proxy's class probabilities at the end of each of its T epochs.
    age : Tensor ``[B]`` int64, optional
        Steps since the learner's signals were seen; -1 means never: see :func:`never_seen`.
    picks : Tensor ``[B]`` bool, optional
        Which of these candidates a proxy picked, at the same step of its own run; exactly ``k`` of them.
    k : int, optional
        How many candidates will be kept.
    epoch : int
        Passes over the pool finished so far.
    progress : float
        Share of the budget spent, in [0, 1].

    Raises
    ------
    MissingSignal
        On reading a signal that was not given; the message says how to ask for it.
    """

    learner: Tensor
    reference: Tensor
    labels: Tensor
    index: Tensor
    learner_probs: Tensor
    learner_features: Tensor
    trace: Tensor
    age: Tensor
    picks: Tensor
    _SIGNALS = tuple(__annotations__)
    k: int | None
    epoch: int
    progress: float

    def __init__(
        self,
        learner: Tensor | None = None,
        reference: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        index: Tensor | None = None,
        learner_probs: Tensor | None = None,
        learner_features: Tensor | None = None,
        trace: Tensor | None = None,
        age: Tensor | None = None,
        picks: Tensor | None = None,
        k: int | None = None,
        epoch: int = 0,
        progress: float = 0.0,
    ) -> None:
        given = locals()
        # Absent signals are absent attributes, so that reading one is an error with a mend in it.
        self.__dict__.update({name: given[name] for name in self._SIGNALS if given[name] is not None})
        self.k = k
        self.epoch = epoch
        self.progress = progress

    @classmethod
    def of(cls, losses: BatchLosses | Tensor) -> BatchLosses:
        """Wrap a plain ``[B]`` loss tensor (for notebooks); pass a ``BatchLosses`` through."""
        return cls(learner=losses) if isinstance(losses, Tensor) else losses

    def __getattr__(self, name: str) -> Any:
        if name in BatchLosses._SIGNALS:
            mend = "" if name in ("labels", "index") else f"; declare needs = {{{name!r}}} on the strategy"
            raise MissingSignal(f"this batch carries no {name!r}{mend} or pass {name}= to BatchLosses")
        raise AttributeError(name)

    def signals(self) -> dict[str, Tensor]:
        """The per-sample tensors that are present, by name."""
        return {name: self.__dict__[name] for name in self._SIGNALS if name in self.__dict__}

    @property
    def size(self) -> int:
        """Number of candidates B.

        Raises
        ------
        ValueError
            If no per-sample tensor was given.
        """
        for tensor in self.signals().values():
            return int(tensor.shape[0])
        raise ValueError("BatchLosses is empty: give at least one per-sample tensor, for example learner=losses")


@dataclass(frozen=True)
class Selection:
    """Picks with weights, for rules that reweight.

    Parameters
    ----------
    indices : Tensor ``[k]`` int64
        Unique positions in ``[0, B)``.
    weights : Tensor ``[k]`` float, optional
        Positive and finite. How they scale the loss is the strategy's ``weights_mode``.
    """

    indices: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True)
class Pool:
    """What a strategy is told once, before training.

    Parameters
    ----------
    size : int
        Number of samples n that can be selected.
    classes : int
        Number of classes C.
    labels : Tensor ``[n]`` int64
        Classes, on the run's device.
    device : torch.device
        Where ``select`` will be called.
    generator : torch.Generator
        The strategy's own random stream; no other part of the run draws from it.
    features : Tensor ``[n, d]``, optional
        The reference's cached features, where ``needs`` holds ``features``.
    reference : Tensor ``[n]``, optional
        The reference's cached losses, where ``needs`` holds ``reference``.
    """

    size: int
    classes: int
    labels: Tensor
    device: torch.device
    generator: torch.Generator
    features: Tensor | None = None
    reference: Tensor | None = None


@runtime_checkable
class StrategyLike(Protocol):
    """The least a plugin must offer; everything else has a default."""

    def select(self, batch_feats: Tensor | None, losses: BatchLosses, ratio: float) -> Tensor | Selection:
        """Pick ``keep_count(ratio, B)`` of the B candidates."""
        ...


def keep_count(ratio: float, size: int) -> int:
    """Number kept of ``size`` candidates: ``max(1, round(ratio * size))``, never more than ``size``.

    Raises
    ------
    ValueError
        If the ratio is outside (0, 1] or there is no candidate.
    """
    if not 0.0 < ratio <= 1.0:
        raise ValueError(f"ratio {ratio!r} is outside (0, 1]: it is the fraction kept, for example 0.25")
    if size < 1:
        raise ValueError("there is no candidate to keep: the batch is empty")
    return min(size, max(1, round(ratio * size)))


def never_seen(
    needs: frozenset[str], size: int, classes: int, width: int, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """What stands for the learner's signals of ``size`` samples that it was never trained on, those in ``needs``.

    ``age`` -1 marks them. The values say that nothing is known: ``learner`` is ``+inf``, ``learner_probs`` ``[n, C]``
    are 1/C, and ``learner_features`` ``[n, h]`` are 0, so that a last-layer gradient without bias is 0 as well.
    """
    values: dict[str, tuple[tuple[int, ...], float | int]] = {
        "learner": ((size,), float("inf")),
        "age": ((size,), -1),
        "learner_probs": ((size, classes), 1 / classes),
        "learner_features": ((size, width), 0.0),
    }
    return {name: torch.full(*value, device=device) for name, value in values.items() if name in needs}


State = Mapping[str, Any]
"""A strategy's resumable state: tensors, numbers, strings, and lists and dicts of these."""


@dataclass(frozen=True)
class Traits:
    """What a strategy declares, with the defaults of the interface filled in.

    Read from any object, so that a plugin needs no base class.
    """

    cadence: Cadence
    needs: frozenset[str]
    weights_mode: WeightsMode
    exact_count: bool
    ratio: float | None
    revision: int = 0

    @classmethod
    def of(cls, strategy: Any) -> Traits:
        """The traits of an instance.

        Raises
        ------
        UsageError
            If it has no ``select``, or declares what the interface does not know.
        """
        name = type(strategy).__name__
        if not callable(getattr(strategy, "select", None)):
            raise UsageError(f"strategy {name} has no select(batch_feats, losses, ratio)")
        cadence: Cadence = getattr(strategy, "cadence", "batch")
        if cadence not in ("batch", "epoch", "run"):
            raise UsageError(f"strategy {name}: cadence {cadence!r} is none of 'batch', 'epoch', 'run'")
        needs = frozenset(getattr(strategy, "needs", ()))
        for need in sorted(needs - NEEDS):
            raise UsageError(f"strategy {name} needs {need!r}, which no harness offers{did_you_mean(need, NEEDS)}")
        mode: WeightsMode = getattr(strategy, "weights_mode", "relative")
        if mode not in ("relative", "raw"):
            raise UsageError(f"strategy {name}: weights_mode {mode!r} is neither 'relative' nor 'raw'")
        exact = bool(getattr(strategy, "exact_count", True))
        if not exact and cadence == "batch":
            raise UsageError(f"strategy {name}: exact_count = False is for the cadences 'epoch' and 'run'")
        revision = getattr(strategy, "revision", 0)
        return cls(cadence, needs, mode, exact, getattr(strategy, "ratio", None), revision)

    @property
    def signal(self) -> str:
        """``learner`` where the rule can follow learning, ``frozen`` where it cannot."""
        return "learner" if self.needs & (LEARNER_SIGNALS | {"age"}) and self.cadence != "run" else "frozen"
