"""The optional base class: defaults, checks and bookkeeping, so that a rule holds only its maths."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

import torch
from torch import Tensor

from .errors import UsageError, one_of
from .interface import BatchLosses, Cadence, MissingSignal, Pool, Selection, State, Traits, keep_count

NOTEBOOK_SEED = 20_250_704
"""Seed of the generator that serves ``select`` where ``begin`` was never called."""

S = TypeVar("S")


@dataclass_transform()
def rule(cls: type[S]) -> type[S]:
    """Make a strategy's fields its hyper-parameters; instances are told apart and printed as those of any class."""
    return dataclass(eq=False, repr=False)(cls)


def hidden(default: Any) -> Any:
    """A field that is no hyper-parameter."""
    return field(default=default, init=False)


def choice(default: str, *others: str) -> Any:
    """A hyper-parameter that is one of these words."""
    return field(default=default, metadata={"choices": (default, *others)})


def within(interval: str, default: float | None) -> Any:
    """A hyper-parameter that is a number in an ``interval`` such as ``[0, 1)``."""
    return field(default=default, metadata={"interval": interval})


class Strategy:
    """A selection rule. Subclasses set the class attributes and write :meth:`pick`.

    Attributes
    ----------
    cadence : {"batch", "epoch", "run"}
        When the harness calls :meth:`select`: on each candidate batch, on the whole pool before
        each epoch, or once on the whole pool before training.
    needs : frozenset of str
        The signals that :meth:`pick` reads, out of :data:`selbench.strategies.interface.NEEDS`.
    pool_scores, select_every, val_images, val_interval
        See :class:`selbench.strategies.interface.Traits`; where they are not set, its defaults hold.
    weights_mode : {"relative", "raw"}
        ``relative`` weights are scaled to mean 1 over what is kept; ``raw`` ones are used as given.
    exact_count : bool
        False where the number of picks depends on the data by design (cadences epoch and run).
    ratio : float or None
        A ratio that the rule fixes for itself, whatever the schedule says (``full``: 1).
    revision : int
        Raised when the same options begin to pick otherwise, so that older results are not taken for new ones: part of
        the id of a rule's runs, unless it is 0.
    group : str
        The heading under which listings show the rule, such as one of :data:`selbench.strategies.descriptions.GROUPS`.
    """

    cadence: Cadence = "batch"
    needs: frozenset[str] = frozenset()
    weights_mode: ClassVar[Literal["relative", "raw"]] = "relative"
    exact_count: ClassVar[bool] = True
    group: ClassVar[str] = ""
    ratio: ClassVar[float | None] = None
    revision: ClassVar[int] = 0

    _generator: torch.Generator | None = None
    _device: torch.device = torch.device("cpu")
    _classes: int = 0

    def __post_init__(self) -> None:
        """Refuse values that :func:`choice` and :func:`within` rule out, by a UsageError that says what there is."""
        for name, declared in getattr(self, "__dataclass_fields__", {}).items():
            if choices := declared.metadata.get("choices"):
                one_of(name, getattr(self, name), choices)
            if not (interval := declared.metadata.get("interval")):
                continue
            value = getattr(self, name)
            if not (value is declared.default or _inside(value, interval)):
                example = ", or be left out" if declared.default is None else f", for example {declared.default}"
                raise UsageError(f"{name} is {value}: it must lie in {interval}{example}")

    @property
    def signal(self) -> str:
        """``learner`` where the rule can follow learning, ``frozen`` where it cannot."""
        return Traits.of(self).signal

    def begin(self, pool: Pool) -> None:
        """Take the pool and the strategy's own random stream; called once, before any ``select``."""
        self._generator = pool.generator
        self._device = pool.device
        self._classes = pool.classes

    def select(self, batch_feats: Tensor | None, losses: BatchLosses | Tensor, ratio: float) -> Tensor | Selection:
        """Pick ``keep_count(ratio, B)`` of the B candidates.

        Parameters
        ----------
        batch_feats : Tensor ``[B, d]`` or None
            The reference model's features.
        losses : BatchLosses or Tensor ``[B]``
            Signals of each candidate; a plain tensor is taken as the learner's loss.
        ratio : float
            Fraction kept, in (0, 1].

        Returns
        -------
        Tensor ``[k]`` int64, or Selection
            Unique positions in ``[0, B)`` on the same device.

        Raises
        ------
        ValueError
            If the ratio is outside (0, 1], or features are needed and missing or not ``[B, d]``.
        MissingSignal
            If the rule reads a signal that the batch does not carry.
        """
        if isinstance(losses, Tensor) and (lacking := sorted(self.needs - {"features", "learner"})):
            given = ", ".join(f"{name}=..." for name in sorted(self.needs - {"features"}))
            raise MissingSignal(
                f"{type(self).__name__} reads {' and '.join(lacking)}, and a plain tensor is the learner's loss alone: "
                f"pass losses=selbench.BatchLosses({given})"
            )
        losses = BatchLosses.of(losses)
        if batch_feats is None and "features" in self.needs:
            raise ValueError(f"{type(self).__name__} needs the reference's features: pass batch_feats of shape [B, d]")
        sizes = {name: int(signal.shape[0]) for name, signal in losses.signals().items()}
        if batch_feats is not None:
            if batch_feats.ndim != 2:
                raise ValueError(f"batch_feats has shape {list(batch_feats.shape)}: it must be [B, d]")
            sizes["batch_feats"] = int(batch_feats.shape[0])
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the signals disagree on the number of candidates: {sizes}")
        size = sizes["batch_feats"] if batch_feats is not None else losses.size
        kept = keep_count(ratio if self.ratio is None else self.ratio, size)
        # Scores are read, never differentiated: no graph may outlive the pick.
        with torch.no_grad():
            return self.pick(batch_feats, losses, kept)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        """The rule itself: ``k`` unique positions; no host synchronisation."""
        raise NotImplementedError(f"{type(self).__name__} has no pick(feats, losses, k)")

    def flops(self, n: int, d: int, k: int) -> float:
        """Floating-point operations of one ``select`` on n candidates with d features, keeping k.

        A multiply and an add are two; a sort or top-k of n counts n log2 n (our convention).
        """
        raise NotImplementedError(f"{type(self).__name__} does not state its cost: define flops(n, d, k)")

    def generator(self, device: torch.device) -> torch.Generator:
        """The stream given by ``begin``, else one of a fixed seed on ``device``."""
        if self._generator is None:
            self._generator = torch.Generator(device).manual_seed(NOTEBOOK_SEED)
        return self._generator

    def state_dict(self) -> State:
        """What a resumed run needs besides the constructor's arguments."""
        return {} if self._generator is None else {"generator": self._generator.get_state()}

    def load_state_dict(self, state: State) -> None:
        """Take back what :meth:`state_dict` gave; call ``begin`` first."""
        if "generator" in state:
            self.generator(torch.device("cpu")).set_state(state["generator"])

    def hyper_parameters(self) -> dict[str, Any]:
        """The constructor's arguments as they stand, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.hyper_parameters().items())
        return f"{type(self).__name__}({inside})"


def _inside(value: float, interval: str) -> bool:
    low, high = map(float, interval[1:-1].split(","))
    return (low <= value if interval[0] == "[" else low < value) and (
        value <= high if interval[-1] == "]" else value < high
    )
