"""A gallery of deliberately broken strategies: each breaks exactly its law, and the message says what to change."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import torch

from selbench.strategies import Selection, Strategy


class Right(Strategy):
    """Right in everything until a subclass breaks one thing: the highest losses, ties at random."""

    needs = frozenset({"learner"})

    def scores(self, losses):
        return losses.learner.detach().float().nan_to_num()

    def pick(self, feats, losses, k):
        return torch.topk(self.scores(losses), k).indices

    def flops(self, n, d, k):
        return n + n * math.log2(max(2, n))


class UnknownNeed(Right):
    needs = frozenset({"learner", "refrence"})


class RaisesOnOne(Right):
    def pick(self, feats, losses, k):
        if losses.size == 1:
            raise ZeroDivisionError("variance of one")
        return super().pick(feats, losses, k)


class ReturnsAList(Right):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k).tolist()


class OneTooFew(Right):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, max(1, k - 1))


class CountsDown(Right):
    """``floor(ratio * B)`` where ``round`` is agreed."""

    def select(self, batch_feats, losses, ratio):
        size = losses.size
        return super().pick(batch_feats, losses, max(1, math.floor(ratio * size - 0.3)))


class GivesIds(Right):
    def pick(self, feats, losses, k):
        return losses.index[super().pick(feats, losses, k)]


class WithReplacement(Right):
    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return torch.where(torch.arange(k, device=picks.device) == k - 1, picks[0], picks)


class Int32(Right):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k).int()


class StaysOnTheCPU(Right):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k).new_zeros(k, device="cpu") + torch.arange(k)


class MixesDevices(Right):
    def scores(self, losses):
        return super().scores(losses) * torch.linspace(1, 2, losses.size)


class DrawsOnTheCPU(Right):
    """Has a generator of its own, which is not on the device of the signals."""

    def begin(self, pool):
        self._own = torch.Generator().manual_seed(7)

    def scores(self, losses):
        scores = super().scores(losses)
        return scores + 1e-9 * torch.rand(len(scores), generator=self._own, device=scores.device)


class NegativeWeights(Right):
    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return Selection(picks, -torch.ones_like(picks, dtype=torch.float32))


class InfiniteWeights(Right):
    """Divides by a loss that may be 0."""

    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return Selection(picks, 1 / losses.learner.float()[picks].abs())


class IntegerWeights(Right):
    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return Selection(picks, torch.ones_like(picks))


class LeavesOneOut(Right):
    """Wants one candidate more than it keeps."""

    def pick(self, feats, losses, k):
        return torch.topk(self.scores(losses), k + 1 if losses.size > 1 else k).indices[:k]


class TrapsNaN(Right):
    def scores(self, losses):
        if losses.learner.device.type == "cpu":
            assert not losses.learner.isnan().any(), "NaN loss"
        return super().scores(losses)


class PicksNaNTwice(Right):
    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return torch.where(losses.learner[picks].isinf(), picks[0], picks)


class NeedsToHaveSeen(Right):
    """Weighs by certainty, of which there is none before the first step."""

    cadence = "epoch"
    needs = frozenset({"learner", "learner_probs"})

    def pick(self, feats, losses, k):
        picks = super().pick(feats, losses, k)
        return Selection(picks, 1 / (losses.learner_probs.amax(1) - 1 / losses.learner_probs.shape[1])[picks])

    def flops(self, n, d, k):
        return 4 * n + super().flops(n, d, k)


class RefusesHalfPrecision(Right):
    needs = frozenset({"learner", "features"})

    def pick(self, feats, losses, k):
        return torch.topk(self.scores(losses) + (feats @ torch.ones(feats.shape[1], device=feats.device)), k).indices

    def flops(self, n, d, k):
        return 2 * n * d + super().flops(n, d, k)


class WritesLosses(Right):
    def scores(self, losses):
        losses.learner.data.mul_(2)
        return super().scores(losses)


class WritesThePool(Right):
    def begin(self, pool):
        super().begin(pool)
        pool.reference.data.sub_(1.0)


class KeepsAGraph(Right):
    def select(self, batch_feats, losses, ratio):
        self.last = losses.learner * 2
        return super().select(batch_feats, losses, ratio)

    def flops(self, n, d, k):
        return n + super().flops(n, d, k)


class WeightsWithAGraph(Right):
    def select(self, batch_feats, losses, ratio):
        picks = super().select(batch_feats, losses, ratio)
        return Selection(picks, losses.learner.float().nan_to_num().clamp(0.1, 9.0)[picks])


class DrawsGlobally(Right):
    def pick(self, feats, losses, k):
        torch.rand(1)
        return super().pick(feats, losses, k)


class DrawsGloballyInNumpy(Right):
    def pick(self, feats, losses, k):
        np.random.rand()  # noqa: NPY002
        return super().pick(feats, losses, k)


class DrawsGloballyInPython(Right):
    def pick(self, feats, losses, k):
        random.random()
        return super().pick(feats, losses, k)


class CountsInstances(Right):
    made = 0

    def __init__(self):
        CountsInstances.made += 1
        self.number = CountsInstances.made

    def pick(self, feats, losses, k):
        return (torch.topk(self.scores(losses), k).indices + self.number) % losses.size


class FavoursPosition(Right):
    def scores(self, losses):
        return super().scores(losses) + torch.arange(losses.size, device=losses.learner.device) / 10


class ReadsAScalar(Right):
    def scores(self, losses):
        return super().scores(losses) - float(losses.learner.float().nan_to_num().mean().item() > 0)


class BranchesOnATensor(Right):
    def scores(self, losses):
        scores = super().scores(losses)
        return scores if scores.max() > -1e30 else -scores


class CopiesToTheHost(Right):
    def pick(self, feats, losses, k):
        return torch.topk(self.scores(losses).cpu(), k).indices.to(losses.learner.device)


class ReadsUndeclared(Right):
    def scores(self, losses):
        return super().scores(losses) + losses.reference.float().nan_to_num()


class ReadsUndeclaredIfThere(Right):
    def scores(self, losses):
        return super().scores(losses) + torch.as_tensor(getattr(losses, "reference", 0.0)).float().nan_to_num()


class ReadsUndeclaredFeatures(Right):
    def pick(self, feats, losses, k):
        scores = self.scores(losses)
        return torch.topk(scores if feats is None else scores + feats[:, 0].float().nan_to_num(), k).indices


class DeclaresTooMuch(Right):
    needs = frozenset({"learner", "trace"})


class ForgetsItsParameter(Right):
    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def __repr__(self):
        return "ForgetsItsParameter()"


class HidesItsParameter(Right):
    def __init__(self, power: float = 1.0) -> None:
        self._power = power

    def __repr__(self):
        return f"HidesItsParameter(power={self._power})"


class PrintsItsAddress(Right):
    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    __repr__ = object.__repr__


class Random(Right):
    """Right, and random: the highest of losses and noise."""

    def scores(self, losses):
        scores = super().scores(losses)
        noise = torch.rand(scores.shape, generator=self.generator(scores.device), device=scores.device)
        return scores * noise

    def flops(self, n, d, k):
        return 2 * n + super().flops(n, d, k)


class ForgetsItsStream(Random):
    def state_dict(self):
        return {}


class ForgetsWhatItSaw(Right):
    """Alternates, and starts anew after a resume."""

    calls = 0

    def scores(self, losses):
        self.calls += 1
        return super().scores(losses) * (-1) ** self.calls


class StoresAnObject(Random):
    def state_dict(self):
        return {**super().state_dict(), "rule": self}


class SavesOnly:
    """Without a base class, and without ``load_state_dict``."""

    needs = ("learner",)

    def select(self, batch_feats, losses, ratio):
        k = max(1, round(ratio * len(losses.learner)))
        return torch.topk(losses.learner.float().nan_to_num(), k).indices

    def state_dict(self):
        return {}


class LooksFree(Right):
    def flops(self, n, d, k):
        return 0.0


class HoldsALambda(Right):
    def __init__(self):
        self.transform = lambda x: x


class ArrivesChanged(Right):
    def __init__(self):
        self.sign = 1.0

    def scores(self, losses):
        return super().scores(losses) * self.sign

    def __setstate__(self, state):
        self.__dict__.update(state, sign=-1.0)


@dataclass(frozen=True)
class Wrong:
    kind: type
    law: str
    says: str


GALLERY = [
    Wrong(UnknownNeed, "declares", "did you mean 'reference'"),
    Wrong(RaisesOnOne, "runs", "raised ZeroDivisionError on B = 1"),
    Wrong(ReturnsAList, "runs", "returned list: return an int64 tensor"),
    Wrong(OneTooFew, "count", "1 were asked for|2 were asked for"),
    Wrong(CountsDown, "count", r"max\(1, round\(ratio \* B\)\)"),
    Wrong(GivesIds, "range", "not the ids of losses.index"),
    Wrong(WithReplacement, "unique", "draw without replacement"),
    Wrong(Int32, "dtype", r"picks.long\(\)"),
    Wrong(StaysOnTheCPU, "device", "device=losses.index.device"),
    Wrong(MixesDevices, "device", "device=losses.index.device"),
    Wrong(DrawsOnTheCPU, "device", "generator, got one on cpu"),
    Wrong(NegativeWeights, "weights", "positive and finite"),
    Wrong(InfiniteWeights, "weights", "positive and finite"),
    Wrong(IntegerWeights, "weights", "floating tensor"),
    Wrong(LeavesOneOut, "ratio-one", "ratio 1"),
    Wrong(TrapsNaN, "losses", "all losses NaN"),
    Wrong(PicksNaNTwice, "losses", "inf"),
    Wrong(NeedsToHaveSeen, "first-epoch", "age -1"),
    Wrong(RefusesHalfPrecision, "features", "float16"),
    Wrong(WritesLosses, "inputs", "writes into losses.learner"),
    Wrong(WritesThePool, "inputs", "writes into pool.reference"),
    Wrong(KeepsAGraph, "graph", "last holds an autograd graph"),
    Wrong(WeightsWithAGraph, "graph", "what select returns holds an autograd graph"),
    Wrong(DrawsGlobally, "global-randomness", "global stream of torch"),
    Wrong(DrawsGloballyInNumpy, "global-randomness", "global stream of numpy"),
    Wrong(DrawsGloballyInPython, "global-randomness", "global stream of random"),
    Wrong(CountsInstances, "reproducible", "pool.generator alone"),
    Wrong(FavoursPosition, "equivariant", "never by position"),
    Wrong(ReadsAScalar, "waiting", r"no .item\(\)"),
    Wrong(BranchesOnATensor, "waiting", "branch on a tensor"),
    Wrong(CopiesToTheHost, "waiting", r"copy to the host at testing/brokenrules.py:\d+ pick"),
    Wrong(ReadsUndeclared, "needs", "'reference'"),
    Wrong(ReadsUndeclaredIfThere, "needs", "does not name changes the picks"),
    Wrong(ReadsUndeclaredFeatures, "needs", "does not name changes the picks"),
    Wrong(DeclaresTooMuch, "needs-used", "'trace', which is never read"),
    Wrong(ForgetsItsParameter, "repr", "does not bring back power"),
    Wrong(HidesItsParameter, "repr", "self.power = power"),
    Wrong(PrintsItsAddress, "repr", "cannot evaluate"),
    Wrong(ForgetsItsStream, "state", "get_state"),
    Wrong(ForgetsWhatItSaw, "state", "all that changes from call to call"),
    Wrong(StoresAnObject, "state", "is a StoresAnObject"),
    Wrong(SavesOnly, "state", "write both, or neither"),
    Wrong(LooksFree, "flops", "declares 0 operations"),
    Wrong(HoldsALambda, "worker", "keep lambdas"),
    Wrong(ArrivesChanged, "worker", "picks differently"),
]
