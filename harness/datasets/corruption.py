"""Corrupted pools: wrong labels, rare classes, copies. Holdout, val and test stay clean.

The table ``spoil`` of a data set's entry in a matrix is applied to the pool after the split, in this order:

1. ``imbalance``: classes are thinned along an exponential profile, in the order of their labels, as in the
   long-tailed CIFAR of Cui et al. (2019, arXiv 1901.05555). The pool becomes smaller, and a pass with it.
2. ``label_noise``: that share of each class's labels becomes wrong. ``uniform`` draws one of the other classes
   (symmetric noise, without the true class among them); ``pairs`` takes the next class, the last one's next
   being the first (pair flips, Han et al. 2018, arXiv 1804.06872).
   Or ``labels``: every label is as a file has it, such as those that people gave CIFAR-10 (CIFAR-10-N, Wei et al.
   2022, arXiv 2110.12088), one for each training image in the data set's order: a ``.npy`` array, or a ``.csv`` or
   ``.txt`` file of class numbers, a line each (a table with a first line of names needs ``column``). CIFAR-10-N is
   published as a pickle, which is never read here. Convert it once, with torch's safe loader (tried on a file of the
   same make; the published one was not at hand)::

       import numpy as np, torch
       from numpy._core.multiarray import _reconstruct
       known = [(_reconstruct, "numpy.core.multiarray._reconstruct"), np.ndarray, np.dtype, np.dtypes.Int64DType]
       with torch.serialization.safe_globals(known):
           np.save("worse.npy", torch.load("CIFAR-10_human.pt", weights_only=True)["worse_label"])

   (``aggre_label`` and ``random_label1`` to ``3`` likewise). Its order is that of the published arrays, which a
   copy as image files need not keep: labels that are right no more often than by chance are refused.
3. ``duplicates``: that share of the pool is replaced by copies of what remains, within each class as labelled, so
   that the class sizes stay. A copy is a pool sample of its own, with its own id and its own augmented views; its
   label is that of its source, right or wrong. Sources are drawn evenly, so one image may have several copies.

All draws come from the streams (seed, ``spoil``, part): one pool for all arms, references and proxies of a seed, and
another one for the next seed. ``full-all`` trains on the spoiled pool with the clean holdout and val: what a user
without selection would have. References trained here see the clean holdout; probes on frozen features are fitted
to the pool's labels as they are, wrong ones included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...strategies import UsageError
from ..streams import generator, permutation
from .spec import Corruption
from .splits import allocate, rank_in_class


def corrupted(
    spoil: Corruption, pool: Tensor, labels: Tensor, classes: int, seed: int, given: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The pool of a seed as it is trained on.

    Parameters
    ----------
    spoil : Corruption
    pool : Tensor ``[n]`` int64
        Positions in the training images, ascending.
    labels : Tensor ``[n]`` int64
        Their labels.
    classes : int
        Number of classes C.
    seed : int
    given : Tensor ``[n]`` int64, optional
        What takes their place, where labels come from a file.

    Returns
    -------
    positions : Tensor ``[m]`` int64
        A position that comes more than once is a copy. ``m`` is ``n`` unless classes are thinned.
    labels : Tensor ``[m]`` int64
        As the learner and the strategies see them.

    Raises
    ------
    UsageError
        Where there is no second class for a wrong label.
    """
    if spoil.imbalance < 1:
        kept = _thinned(labels, classes, spoil.imbalance, seed)
        pool, labels = pool[kept], labels[kept]
        given = None if given is None else given[kept]
    if given is not None:
        labels = given
    if spoil.label_noise:
        if classes < 2:
            raise UsageError("spoil.label_noise: a data set of one class has no wrong labels: remove it")
        labels = _flipped(labels, classes, spoil, seed)
    if spoil.duplicates:
        sources = _copied(labels, spoil.duplicates, seed)
        pool, labels = pool[sources], labels[sources]
    return pool, labels


def _thinned(labels: Tensor, classes: int, imbalance: float, seed: int) -> Tensor:
    """Places kept ``[m]``, ascending: of class c at most ``largest * imbalance ** (c / (C - 1))``, at least one."""
    counts = torch.bincount(labels, minlength=classes)
    profile = torch.tensor([imbalance ** (c / max(1, classes - 1)) for c in range(classes)], dtype=torch.float64)
    wanted = (float(counts.max()) * profile).round().long().clamp(min=1)
    rank = rank_in_class(labels, permutation(len(labels), seed, "spoil", "imbalance"))
    return torch.nonzero(rank < wanted[labels]).flatten()


def _flipped(labels: Tensor, classes: int, spoil: Corruption, seed: int) -> Tensor:
    """Labels ``[n]`` of which the share asked for is wrong, in each class."""
    wrong = allocate(torch.bincount(labels, minlength=classes), round(spoil.label_noise * len(labels)))
    chosen = rank_in_class(labels, permutation(len(labels), seed, "spoil", "noise")) < wrong[labels]
    stream = generator(seed, "spoil", "labels")
    shift = torch.randint(1, classes, labels.shape, generator=stream)
    if spoil.kind == "pairs":
        shift = torch.ones_like(labels)
    return torch.where(chosen, (labels + shift) % classes, labels)


def _copied(labels: Tensor, share: float, seed: int) -> Tensor:
    """For each place ``[n]`` the place whose image it holds: its own, or one that keeps its own, of the same class."""
    counts = torch.bincount(labels)
    present = int((counts > 0).sum())
    originals = allocate(counts, max(present, len(labels) - round(share * len(labels))), least=1)
    order = permutation(len(labels), seed, "spoil", "copies")
    rank = rank_in_class(labels, order)
    by_class = order[torch.argsort(labels[order], stable=True)]
    start = torch.cumsum(counts, 0) - counts
    drawn = torch.rand(len(labels), generator=generator(seed, "spoil", "sources"), dtype=torch.float64)
    place = start[labels] + (drawn * originals[labels]).long()
    return torch.where(rank < originals[labels], torch.arange(len(labels)), by_class[place])
