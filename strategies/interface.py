"""The types that a strategy and its caller exchange.

Nothing here has to be imported to write a plugin: any object with the members of
:class:`selbench.strategies.base.Strategy` works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor

from .errors import UsageError, did_you_mean

Cadence = Literal["batch", "epoch", "run"]
WeightsMode = Literal["relative", "raw"]
PoolScores = Literal["remembered", "refreshed", "fresh"]

LEARNER_SIGNALS = frozenset({"learner", "learner_probs", "learner_features"})
"""Signals that cost a scoring pass of the learner (or, at cadence ``run``, a proxy)."""

REFERENCE_SIGNALS = frozenset({"features", "reference"})
"""Signals that come from the reference model: ``batch_feats`` and ``losses.reference``."""

HELD_OUT_SIGNALS = frozenset({"val_gradient", "val_features", "val_probs"})
"""Signals of the learner on a fixed batch of ``val``, looked at anew every ``val_interval`` selections."""

PROXY_TRACES = frozenset({"trace", "trained_trace"})
"""Signals of a proxy's whole run."""

NEEDS = LEARNER_SIGNALS | REFERENCE_SIGNALS | HELD_OUT_SIGNALS | PROXY_TRACES | {"age", "picks"}
"""Every name that ``needs`` may hold. Labels, ids and host numbers are always there."""


class MissingSignal(AttributeError):
    """A strategy read a signal that this batch does not carry."""


class BatchLosses:
    """What is known of each candidate: per-sample tensors ``[B]`` on one device, and what is known of ``val``.

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
        A proxy's class probabilities at the end of each of its T epochs, on clean images.
    trained_trace : Tensor ``[B, T, C]``, optional
        The same as each sample was trained on in those epochs: of its augmented view, in training mode, before the
        step. An epoch that left a sample out repeats the one before; before its first step all classes have 1/C.

        A rule with ``nets`` above 1 gets each of a proxy's signals with an axis of its nets after the first: see
        :meth:`of_net`.
    age : Tensor ``[B]`` int64, optional
        Steps since the learner's signals were seen; -1 means never: see :func:`never_seen`.
    picks : Tensor ``[B]`` bool, optional
        Which of these candidates a proxy picked, at the same step of its own run; exactly ``k`` of them.
    val_gradient : Tensor ``[C, h + 1]``, optional
        Mean gradient of the learner's cross-entropy on a fixed batch of ``val`` with respect to its last layer, the
        bias in the last column. This and the three below are the same for all candidates. They are of plain views in
        evaluation mode, and as old as the last look: see ``val_interval`` in :class:`Traits`.
    val_features : Tensor ``[V, h]``, optional
        The learner's penultimate layer on that batch.
    val_probs : Tensor ``[V, C]``, optional
        Its class probabilities there.
    val_labels : Tensor ``[V]`` int64, optional
        The classes of that batch; there wherever one of the three above is.
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
    trained_trace: Tensor
    age: Tensor
    picks: Tensor
    val_gradient: Tensor
    val_features: Tensor
    val_probs: Tensor
    val_labels: Tensor
    _SIGNALS = tuple(__annotations__)
    _HELD_OUT = tuple(name for name in _SIGNALS if name.startswith("val_"))
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
        trained_trace: Tensor | None = None,
        age: Tensor | None = None,
        picks: Tensor | None = None,
        val_gradient: Tensor | None = None,
        val_features: Tensor | None = None,
        val_probs: Tensor | None = None,
        val_labels: Tensor | None = None,
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
            given = name in ("labels", "index", "val_labels")
            mend = "" if given else f"; declare needs = {{{name!r}}} on the strategy"
            raise MissingSignal(f"this batch carries no {name!r}{mend} or pass {name}= to BatchLosses")
        raise AttributeError(name)

    def signals(self) -> dict[str, Tensor]:
        """The per-sample tensors that are present, by name."""
        return {n: self.__dict__[n] for n in self._SIGNALS if n in self.__dict__ and n not in self._HELD_OUT}

    def held_out(self) -> dict[str, Tensor]:
        """The tensors of ``val`` that are present, by name."""
        return {name: self.__dict__[name] for name in self._HELD_OUT if name in self.__dict__}

    def of_net(self, net: int) -> BatchLosses:
        """The signals with one proxy's alone, for a rule with ``nets`` above 1; those without that axis are each's."""
        plain = {"learner": 1, "learner_probs": 2, "learner_features": 2, "trace": 3, "trained_trace": 3}
        signals = {
            name: signal[:, net] if signal.ndim > plain.get(name, signal.ndim) else signal
            for name, signal in self.signals().items()
        }
        return BatchLosses(**signals, k=self.k, epoch=self.epoch, progress=self.progress)

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


FLOPS_TOLERANCE = 2.0
"""How many times its declared cost a call may count, or the other way round."""

LEARNER_TRAITS = ("pool_scores", "select_every", "val_images", "val_interval", "nets")
"""How learner and proxies are looked at; optional members of a strategy, each with a default in :class:`Traits`."""


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

    Attributes
    ----------
    pool_scores : {"remembered", "refreshed", "fresh"}
        At cadence ``epoch``: the learner's signals as last seen in training; or, before each selection, those of a pass
        of the learner (plain views, evaluation mode) over what the last selection left out ("refreshed") or over the
        whole pool ("fresh"), whose cost is on the ledger.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next. The subset and its size stay in between.
    val_images : int
        Images of ``val`` that the held-out signals are taken on; all of ``val`` where it has no more.
    val_interval : int
        Selections from one look at ``val`` to the next.
    nets : int
        At cadence ``run``: proxies that are trained for the rule, each from a stream of its own and with its own cost.
    """

    cadence: Cadence
    needs: frozenset[str]
    weights_mode: WeightsMode
    exact_count: bool
    ratio: float | None
    revision: int = 0
    pool_scores: PoolScores = "remembered"
    select_every: int = 1
    val_images: int = 256
    val_interval: int = 1
    nets: int = 1

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
        if (held_out := sorted(needs & HELD_OUT_SIGNALS)) and cadence == "run":
            raise UsageError(
                f"strategy {name} needs {' and '.join(held_out)} of the learner, and at cadence 'run' it picks before "
                "there is one: use cadence 'batch' or 'epoch'"
            )
        declared = {key: getattr(strategy, key, getattr(cls, key)) for key in LEARNER_TRAITS}
        for key in ("select_every", "val_images", "val_interval", "nets"):
            if not isinstance(declared[key], int) or declared[key] < 1:
                raise UsageError(f"strategy {name}: {key} is {declared[key]!r}: it must be a whole number from 1 up")
        if (scores := declared["pool_scores"]) not in get_args(PoolScores):
            raise UsageError(f"strategy {name}: pool_scores {scores!r} is none of 'remembered', 'refreshed', 'fresh'")
        ratio, revision = getattr(strategy, "ratio", None), getattr(strategy, "revision", 0)
        traits = cls(cadence, needs, mode, exact, ratio, revision, **declared)
        if traits.nets > 1 and not (cadence == "run" and traits.reads_proxy):
            raise UsageError(
                f"strategy {name}: nets is {traits.nets}, and it reads no proxy before training: leave nets at 1, or "
                "use cadence 'run'"
            )
        return traits

    @property
    def reads_proxy(self) -> bool:
        """Whether it reads the signals of a proxy: before training there is no learner to score with."""
        return bool(self.needs & PROXY_TRACES or (self.cadence == "run" and self.needs & LEARNER_SIGNALS))

    @property
    def scores_pool(self) -> bool:
        """Whether selections of the pool cost passes of the learner over it, or a part of it."""
        return self.cadence == "epoch" and self.pool_scores != "remembered" and bool(self.needs & LEARNER_SIGNALS)

    @property
    def signal(self) -> str:
        """``learner`` where the rule can follow learning, ``frozen`` where it cannot."""
        follows = self.needs & (LEARNER_SIGNALS | HELD_OUT_SIGNALS | {"age"})
        return "learner" if follows and self.cadence != "run" else "frozen"
