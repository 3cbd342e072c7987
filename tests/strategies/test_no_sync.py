"""No ``select`` waits for the device: on fake CUDA tensors everywhere, on a real GPU where there is one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from selbench.harness.training.flops import SelectionCounter
from selbench.strategies import BatchLosses, Pool, Selection, Strategy, load
from selbench.strategies.interface import Traits
from selbench.strategies.maths.spectral import diagnostics, fiedler
from selbench.strategies.testing import waiting

from ._inputs import VARIANTS, label, make


def fake_select(strategy: Strategy, watch: AbstractContextManager[Any] | None = None) -> Tensor:
    """One ``select`` on fake CUDA tensors, under ``watch`` too; a CUDA generator cannot exist without a driver."""
    size = 48

    def build() -> Any:
        made = make(size)[1]
        known = {**made.signals(), **made.held_out()}
        shapes = {name: (signal.shape, signal.dtype) for name, signal in known.items()}
        signals = {name: torch.empty(shape, dtype=dtype, device="cuda") for name, (shape, dtype) in shapes.items()}
        feats = torch.empty(size, 8, device="cuda")
        losses = BatchLosses(**signals)
        labels = torch.empty(size, dtype=torch.int64, device="cuda")
        stream = torch.Generator().manual_seed(0)
        strategy.begin(Pool(size, 4, labels, torch.device("cuda"), stream, feats, losses.reference))

        def call() -> Tensor:
            with watch or nullcontext():
                return strategy.select(feats, losses, 0.25)

        return call

    return waiting.run_fake(build)


CLASS_AFTER_CLASS = {"graph-cut": True, "craig": True, "gradmatch": True, "d2": True, "cal": False}  # by default


def may_wait(variant: tuple[str, dict[str, Any]]) -> bool:
    """Refusing negative features looks at the pool in ``begin``, where waiting is allowed.

    A count that the data decide has to be known on the host, the sizes of classes included where a rule prunes class
    after class; such rules pick from the whole pool, once an epoch or once a run. So does one with a linear solver.
    """
    name, options = variant
    traits = Traits.of(load(name, **options))
    by_class = name in CLASS_AFTER_CLASS and options.get("class_balanced", CLASS_AFTER_CLASS[name])
    by_class = by_class or (name == "per-class" and traits.cadence != "batch")
    return options.get("negative") == "refuse" or not traits.exact_count or by_class or name == "gradmatch"


NEVER_WAIT = [variant for variant in VARIANTS if not may_wait(variant)]


def test_few_rules_may_wait():
    waiting = {"infobatch", "seta", "repb", "gradmatch", "d2", "kakurenbo", "per-class"}
    assert {name for name, _ in VARIANTS} - {name for name, _ in NEVER_WAIT} == waiting


@pytest.mark.parametrize("variant", NEVER_WAIT, ids=label)
def test_select_on_fake_cuda_tensors(variant):
    """It does not wait at any cadence, and the ledger knows every operation, which may be another than on a CPU."""
    strategy, counter = load(variant[0], **variant[1]), SelectionCounter()
    picks = fake_select(strategy, watch=counter)
    picks = picks.indices if isinstance(picks, Selection) else picks
    assert picks.device.type == "cuda" and picks.dtype == torch.int64
    assert picks.shape == ((48,) if variant[0] == "full" else (12,))
    assert not counter.unknown and (counter.flops > 0 or variant[0] == "full")


@pytest.mark.parametrize("name", ["fiedler", "gstds"])
def test_diagnostics_do_not_wait(name):
    strategy = load(name)
    fake_select(strategy)

    def build() -> Any:
        pair = fiedler(torch.empty(48, 8, device="cuda"))
        return lambda: diagnostics(pair)

    assert set(waiting.run_fake(build)) == {"participation", "gap", "residual"}


class Reads(Strategy):
    """Strategies that wait, each in its own way; the gallery of broken ones holds more."""

    needs = frozenset({"learner"})


class IndexesByMask(Reads):
    def pick(self, feats, losses, k):
        losses.learner[losses.learner > 0].sum()
        return torch.arange(k, device=losses.learner.device)


class SelectsByMask(Reads):
    def pick(self, feats, losses, k):
        return torch.masked_select(losses.index, losses.learner > 0)[:k]


class CopiesFromTheHost(Reads):
    def pick(self, feats, losses, k):
        return torch.topk(losses.learner * torch.tensor([1.0] * len(losses.learner), device="cuda"), k).indices


class CallsASolver(Reads):
    def pick(self, feats, losses, k):
        return torch.topk(torch.linalg.eigh(feats @ feats.T)[1][:, 1], k).indices


class CountsUnique(Reads):
    def pick(self, feats, losses, k):
        torch.unique(losses.labels)
        return torch.arange(k, device=losses.learner.device)


class ListsPicks(Reads):
    def pick(self, feats, losses, k):
        return torch.tensor(losses.learner.argsort()[:k].tolist(), device=losses.learner.device)


@pytest.mark.parametrize("wrong", Reads.__subclasses__(), ids=lambda c: c.__name__)
def test_the_test_finds_waiting(wrong):
    with pytest.raises(waiting.Waits):
        fake_select(wrong())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("variant", NEVER_WAIT, ids=label)
def test_select_on_a_gpu(variant):
    feats, losses = make(300)
    feats = feats.cuda()
    losses = BatchLosses(**{name: signal.cuda() for name, signal in (losses.signals() | losses.held_out()).items()})
    strategy = load(variant[0], **variant[1])
    stream = torch.Generator("cuda").manual_seed(0)
    strategy.begin(Pool(300, 4, losses.labels, torch.device("cuda"), stream))
    strategy.select(feats, losses, 0.25)  # the first call may set up libraries
    torch.cuda.set_sync_debug_mode("error")
    try:
        picks = strategy.select(feats, losses, 0.25)
        picks = picks.indices if isinstance(picks, Selection) else picks
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert picks.device.type == "cuda" and picks.unique().numel() == picks.numel()
