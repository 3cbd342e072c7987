"""No ``select`` waits for the device: ``test_laws.py`` tries a pretended GPU, this a real one where there is one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selbench.strategies import BatchLosses, Pool, Selection, Strategy, load
from selbench.strategies.interface import Traits
from selbench.strategies.maths.spectral import diagnostics, fiedler
from selbench.strategies.testing.pretended_cuda import PretendedCuda, Wait, on_cuda

from ._inputs import VARIANTS, label, make


class Waits(AssertionError):
    """The code would make the device wait."""


def refuse(wait: Wait) -> None:
    raise Waits(str(wait))


def select_on_cuda(strategy: Strategy) -> Any:
    """One ``select`` on a pretended CUDA device; :class:`Waits` at the first wait inside it."""
    size = 48
    with PretendedCuda() as machine:
        made = make(size)[1]
        signals = {name: on_cuda(signal) for name, signal in (made.signals() | made.held_out()).items()}
        feats, losses, labels = on_cuda(make(size)[0][:, :8]), BatchLosses(**signals), on_cuda(torch.arange(size) % 4)
        device = torch.device("cuda")
        strategy.begin(Pool(size, 4, labels, device, torch.Generator(device), feats, losses.reference))
        machine.on_wait = refuse
        return strategy.select(feats, losses, 0.25)


CLASS_AFTER_CLASS = {"graph-cut": True, "craig": True, "gradmatch": True, "d2": True, "cal": False}  # by default


def may_wait(variant: tuple[str, dict[str, Any]]) -> bool:
    """Refusing negative features looks at the pool in ``begin``, where waiting is allowed.

    A count that the data decide has to be known on the host, the sizes of classes included where a rule prunes class
    after class; such rules pick from the whole pool, once an epoch or once a run. So does one with a linear solver.
    """
    name, options = variant
    traits = Traits.of(load(name, **options))
    by_class = name in CLASS_AFTER_CLASS and options.get("class_balanced", CLASS_AFTER_CLASS[name])
    by_class = by_class or (name in ("per-class", "rcap") and traits.cadence != "batch")
    return options.get("negative") == "refuse" or not traits.exact_count or by_class or name == "gradmatch"


NEVER_WAIT = [variant for variant in VARIANTS if not may_wait(variant)]


def test_few_rules_may_wait():
    waiting = {"infobatch", "seta", "repb", "gradmatch", "d2", "kakurenbo", "per-class", "rcap"}
    assert {name for name, _ in VARIANTS} - {name for name, _ in NEVER_WAIT} == waiting


@pytest.mark.parametrize("name", ["fiedler", "gstds"])
def test_diagnostics_do_not_wait(name):
    select_on_cuda(load(name))
    with PretendedCuda() as machine:
        pair = fiedler(on_cuda(make(48)[0]))
        machine.on_wait = refuse
        assert set(diagnostics(pair)) == {"participation", "gap", "residual"}


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
    with pytest.raises(Waits):
        select_on_cuda(wrong())


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
