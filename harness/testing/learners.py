"""Laws of learners: what the training loop, the ledger and pairing rest on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...strategies import UsageError
from ...strategies.testing import Broken, Law, NotJudged
from ...strategies.testing.conduct import random_states
from ..toml import Named
from ..training.flops import image_flops
from ..training.learner import Learner, LearnerNet
from ..training.learners import learner

SHAPES = ((3, 32, 10), (1, 8, 10), (3, 64, 10), (3, 224, 10))
"""Channels, pixels a side and classes that a learner is tried with: the first that it takes."""
BATCH = 4


@dataclass
class LearnerSubject:
    """A learner, and images of the first shape that it takes."""

    learner: Learner
    data_dir: Path | None

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        refused = []
        for shape in SHAPES:
            try:
                self.learner.build(*shape, None)
            except UsageError as error:
                refused.append(str(error))
            else:
                return shape
        raise Broken(f"it takes none of the images tried: {refused[0]}")

    def net(self, stream: int = 0) -> LearnerNet:
        generator = torch.Generator().manual_seed(stream)
        return self.learner.build(*self.shape, generator, "cpu", self.data_dir)

    @property
    def images(self) -> Tensor:
        channels, side, _ = self.shape
        return torch.rand(BATCH, channels, side, side, generator=torch.Generator().manual_seed(1))


def subject(spec: str, options: Mapping[str, Any], data_dir: Path | None) -> LearnerSubject:
    return LearnerSubject(learner(Named(name=spec, **options)), data_dir)


@contextmanager
def untouched(what: str) -> Any:
    """:class:`Broken` where a global stream of random numbers moves inside."""
    before = random_states()
    yield
    for name, state in random_states().items():
        if state != before.get(name, state):
            raise Broken(f"{what} moves the global stream of {name}: draw from the generator alone")


def builds(it: LearnerSubject) -> None:
    """``build`` gives an ``nn.Module`` with ``forward_features`` and a linear ``head``; a ``title`` names it."""
    net = it.net()
    if not isinstance(net, nn.Module) or not callable(getattr(net, "forward_features", None)):
        raise Broken(f"build gave {type(net).__name__}: return an nn.Module with forward_features")
    if not isinstance(getattr(net, "head", None), nn.Linear):
        raise Broken("the net has no linear layer called head: rules read features, and logits are linear in them")
    if not isinstance(getattr(it.learner, "title", None), str):
        raise Broken("it has no title: write the property title, which reports call it by")


def forward(it: LearnerSubject) -> None:
    """Logits are finite and ``[B, classes]``, in training and in evaluation."""
    for net in (it.net().train(), it.net().eval()):
        logits = net(it.images)
        if logits.shape != (BATCH, it.shape[2]) or not torch.isfinite(logits).all():
            raise Broken(f"logits are {list(logits.shape)}, or not finite: [{BATCH}, {it.shape[2]}] is expected")


@torch.no_grad()
def features(it: LearnerSubject) -> None:
    """Features are ``[B, head.in_features]``, and ``head`` of them is what ``forward`` gives."""
    net = it.net().eval()
    found = net.forward_features(it.images)
    if found.shape != (BATCH, net.head.in_features):
        raise Broken(f"forward_features gives {list(found.shape)}, and head takes [{BATCH}, {net.head.in_features}]")
    if not torch.allclose(net.head(found), net(it.images), rtol=1e-4, atol=1e-5):
        raise Broken("head(forward_features(x)) is not forward(x): nothing may stand behind the head")


def gradients(it: LearnerSubject) -> None:
    """A training step reaches every parameter."""
    net = it.net().train()
    F.cross_entropy(net(it.images), torch.arange(BATCH) % it.shape[2]).backward()
    left = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    if left:
        raise Broken(f"parameter {left[0]!r} gets no gradient ({len(left)} in all): leave out what is not trained")


def flops(it: LearnerSubject) -> None:
    """Without a generator it is built on the meta device, where its operations are counted."""
    net = it.learner.build(*it.shape, None)
    places = {parameter.device.type for parameter in net.parameters()}
    if places != {"meta"}:
        raise Broken(f"build(..., None) made parameters on {', '.join(sorted(places))}: make them on the meta device")
    once, trained = image_flops(net, (it.shape[0], it.shape[1], it.shape[1]))
    if not 0 < once < trained:
        raise Broken(
            f"{once:.3g} operations forward and {trained:.3g} with backward were counted: both must be above 0"
        )


def deterministic(it: LearnerSubject) -> None:
    """The same stream gives the same weights, and another stream others."""
    one, same, other = (it.net(stream).state_dict() for stream in (5, 5, 6))
    for name, tensor in one.items():
        if not torch.equal(tensor, same[name]):
            raise Broken(f"{name!r} differs between two nets of one stream: draw every number from the generator")
    if all(torch.equal(tensor, other[name]) for name, tensor in one.items()):
        raise Broken("two streams give the same net: draw its weights from the generator")


def global_randomness(it: LearnerSubject) -> None:
    """Neither building nor training moves a global stream of random numbers."""
    with untouched("build"):
        net = it.net()
    with untouched("a training step (dropout?)"):
        net.train()(it.images).sum().backward()


def batches(it: LearnerSubject) -> None:
    """In evaluation mode the logits of an image do not depend on its batch."""
    net = it.net().eval()
    with torch.no_grad():
        whole, alone = net(it.images), torch.cat([net(image[None]) for image in it.images])
    if not torch.allclose(whole, alone, rtol=1e-3, atol=1e-4):
        raise Broken("in evaluation mode, logits of an image depend on its batch: use no batch statistics there")


def state(it: LearnerSubject) -> None:
    """``state_dict`` holds all of the net: another one that loads it gives the same logits, as does a copy."""
    net, other = it.net(5), it.net(6)
    net.train()(it.images)  # statistics move
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        wanted = net.eval()(it.images)
        for again, how in ((other, "a net that loads its state_dict"), (copy.deepcopy(net), "a copy of it")):
            if not torch.equal(again.eval()(it.images), wanted):
                raise Broken(f"{how} gives other logits: keep all that changes in parameters and buffers")


def fingerprint(it: LearnerSubject) -> None:
    """``fingerprint`` is text, the same each time: a hash of the weights started from, or empty."""
    first, again = (it.learner.fingerprint(it.data_dir) for _ in range(2))
    if not isinstance(first, str) or first != again:
        raise Broken(f"fingerprint gave {first!r} and then {again!r}: return a hash of the weights, or an empty string")
    if getattr(it.learner, "pretrained", "") and not first:
        raise Broken("it starts from weights and its fingerprint is empty: hash them, since ids of runs rest on it")
    if not getattr(it.learner, "pretrained", ""):
        raise NotJudged("it starts from random weights")


LAWS: tuple[Law, ...] = (
    Law("builds", builds),
    Law("forward", forward, ("builds",)),
    Law("features", features, ("builds", "forward")),
    Law("gradients", gradients, ("builds", "forward")),
    Law("flops", flops, ("builds", "forward")),
    Law("deterministic", deterministic, ("builds",)),
    Law("global-randomness", global_randomness, ("builds", "forward")),
    Law("batches", batches, ("builds", "forward")),
    Law("state", state, ("builds", "forward")),
    Law("fingerprint", fingerprint, ("builds",)),
)
