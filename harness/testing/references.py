"""Laws of references: what is kept in the cache of features, and what is charged for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ...strategies.testing import Broken, Law, NotJudged
from ..references.base import checked
from ..references.shuffled import Shuffled
from ..references.spec import reference, trained_here, training_of
from .learners import untouched

TRAININGS = ("holdout", "cross-holdout", "foreign")
COUNT, SIDE, CLASSES = 6, 32, 3


@dataclass
class ReferenceSubject:
    """A reference, and a few images that its features are taken of."""

    reference: Any
    data_dir: Path | None

    @cached_property
    def images(self) -> Tensor:
        stream = torch.Generator().manual_seed(1)
        return torch.randint(256, (COUNT, 3, SIDE, SIDE), generator=stream).to(torch.uint8)

    def frozen(self) -> None:
        """Raise unless it is one whose features can be taken here."""
        if trained_here(self.reference):
            raise NotJudged("it is trained by the harness, with the learner's architecture")
        try:
            self.reference.check(self.data_dir)
        except UsageError as error:
            raise NotJudged(str(error)) from None

    def extracted(self, images: Tensor | None = None) -> tuple[Tensor, Tensor | None, float]:
        """Features ``[N, d]``, losses and operations."""
        images = self.images if images is None else images
        labels, cpu = torch.arange(len(images)) % CLASSES, torch.device("cpu")
        try:
            found = self.reference.extract(images, labels, data_dir=self.data_dir, device=cpu)
        except UsageError as error:  # a file of features is of one data set
            raise NotJudged(str(error)) from None
        rows = [chunk.cpu() for chunk in checked(found, len(images), "extract")]
        return torch.cat(rows), found.losses, float(found.flops)


def subject(spec: str, options: Mapping[str, Any], data_dir: Path | None) -> ReferenceSubject:
    return ReferenceSubject(reference(spec, options), data_dir)


def declares(it: ReferenceSubject) -> None:
    """It says whether it withholds labels, how it is trained, and in ``external`` what was spent elsewhere."""
    if not isinstance(getattr(it.reference, "needs_holdout", None), bool):
        raise Broken("needs_holdout must be True or False")
    if training_of(it.reference) not in ("", *TRAININGS):
        raise Broken(f"training = {training_of(it.reference)!r} must be one of {', '.join(TRAININGS)}")
    if trained_here(it.reference) and not it.reference.passes > 0:
        raise Broken("passes must be above 0")
    if not trained_here(it.reference):
        it.frozen()
    if not isinstance(it.reference.external, str):
        raise Broken("external must be text: what was spent elsewhere, or empty")


def fingerprint(it: ReferenceSubject) -> None:
    """``fingerprint`` is the same each time; a frozen one's is not empty."""
    try:
        it.reference.check(it.data_dir)
    except UsageError as error:
        raise NotJudged(str(error)) from None
    first, again = (it.reference.fingerprint(it.data_dir) for _ in range(2))
    if not isinstance(first, str) or first != again:
        raise Broken(f"fingerprint gave {first!r} and then {again!r}: hash weights and options, and nothing else")
    if not first and not trained_here(it.reference):
        raise Broken("fingerprint is empty: hash weights and options, since cached features are found by it")


def extracts(it: ReferenceSubject) -> None:
    """Features are finite, half or float32, ``[N, d]``, one row for each image; losses ``[N]`` float32, if any."""
    it.frozen()
    _, losses, operations = it.extracted()
    if losses is not None and losses.dtype != torch.float32:
        raise Broken(f"losses are {losses.dtype}: float32 is expected")
    if operations < 0:
        raise Broken(f"flops = {operations} must be what extraction cost, 0 where features were read")


def in_order(it: ReferenceSubject) -> None:
    """The row of an image is its own: images in another order give the same rows in that order."""
    it.frozen()
    if isinstance(it.reference, Shuffled):
        raise NotJudged("it gives images the rows of others: that is what it is for")
    order = torch.arange(COUNT).flip(0)
    rows, turned = it.extracted()[0], it.extracted(it.images[order])[0]
    if not torch.allclose(rows[order].float(), turned.float(), rtol=1e-3, atol=1e-4):
        raise Broken("images in another order have other features: take them in eval mode, rows in the images' order")


def deterministic(it: ReferenceSubject) -> None:
    """The same images give the same features, no global stream moves, and the images are not written to."""
    it.frozen()
    before = it.images.clone()
    with untouched("extract"):
        rows = it.extracted()[0]
    if not torch.equal(before, it.images):
        raise Broken("extract writes into the images: work on a copy")
    if not torch.equal(rows, it.extracted()[0]):
        raise Broken("features differ from one time to the next: use eval mode and a stream of your own")


LAWS: tuple[Law, ...] = (
    Law("declares", declares),
    Law("fingerprint", fingerprint, ("declares",)),
    Law("extracts", extracts, ("declares",)),
    Law("in-order", in_order, ("extracts",)),
    Law("deterministic", deterministic, ("extracts",)),
)
