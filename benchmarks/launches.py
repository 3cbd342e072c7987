"""Kernels that a ``select`` of each batch-cadence rule launches: ``python -m selbench.benchmarks.launches [--write]``.

Counted on fake CUDA tensors, which take a GPU's path and hold no data: operators dispatched, but for those that only
look at memory otherwise. One operator may be more than one kernel inside its library (a sort, say). With ``--write``
the table goes into ``docs/rules.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..strategies import BatchLosses, Pool, load
from ..strategies.interface import Traits
from ..strategies.registry import registry
from .pages import DOCS, command

SIZE, KEPT = 512, 256
FEW = 16  # picks of a short call; JEST has as many chunks
FEATURES, HIDDEN, CLASSES, VAL = 2048, 512, 10, 64  # widths, and images of val

VIEWS = {
    "view", "_unsafe_view", "t", "transpose", "permute", "slice", "select", "unsqueeze", "squeeze", "expand", "detach",
    "alias", "diagonal", "unbind", "split", "split_with_sizes", "empty", "empty_like", "new_empty", "as_strided",
    "device",
}  # fmt: skip
"""No kernel runs for these."""


class Launches(TorchDispatchMode):
    """Names of the operators that would launch a kernel, and the shapes that they gave."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[torch.Size]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1]
        if name not in VIEWS:
            self.seen.append((name, [leaf.shape for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]))
        return out


def launches(name: str) -> int:
    """Those of one ``select`` of 256 out of 512, once another has set things up.

    A greedy rule takes the same number for each pick, so that the last pick of a short call tells those of a long one.
    """
    _, few, more = (len(seen) for seen in calls(name, 1, FEW, FEW + 1))
    return few + (more - few) * (KEPT - FEW)


def calls(name: str, *picks: int) -> list[list[tuple[str, list[torch.Size]]]]:
    """What each of so many calls of ``select`` launches on a GPU, with that many picks of 512."""
    strategy, seen = load(name), []
    with FakeTensorMode():
        feats, losses = _candidates()
        # A CUDA generator cannot exist without a driver; on fake tensors any serves.
        stream, device = torch.Generator().manual_seed(0), torch.device("cuda")
        strategy.begin(Pool(SIZE, CLASSES, losses.labels, device, stream, feats, losses.reference))
        for k in picks:
            with Launches() as watch:
                strategy.select(feats, losses, k / SIZE)
            seen.append(watch.seen)
    return seen


def batch_rules() -> list[str]:
    """Our rules that pick from each candidate batch by default."""
    ours = [name for name, claims in registry("strategies").found().items() if claims[0].builtin]
    return [name for name in ours if Traits.of(load(name)).cadence == "batch"]


def _candidates() -> tuple[Tensor, BatchLosses]:
    shapes = {
        "learner": (SIZE,), "reference": (SIZE,), "learner_probs": (SIZE, CLASSES),
        "learner_features": (SIZE, HIDDEN), "val_gradient": (CLASSES, HIDDEN + 1),
        "val_features": (VAL, HIDDEN), "val_probs": (VAL, CLASSES),
    }  # fmt: skip
    signals: dict[str, Any] = {name: torch.empty(shape, device="cuda") for name, shape in shapes.items()}
    sizes = {"labels": SIZE, "index": SIZE, "age": SIZE, "val_labels": VAL}
    whole: dict[str, Any] = {name: torch.empty(n, dtype=torch.int64, device="cuda") for name, n in sizes.items()}
    picks = torch.empty(SIZE, dtype=torch.bool, device="cuda")
    return torch.empty(SIZE, FEATURES, device="cuda"), BatchLosses(**signals, **whole, picks=picks, progress=0.5)


def table(counts: Mapping[str, int] | None = None) -> str:
    """One row a rule, fewest first; counted unless given."""
    counts = {name: launches(name) for name in batch_rules()} if counts is None else counts
    rows = [f"| `{name}` | {count:,} |" for name, count in sorted(counts.items(), key=lambda row: (row[1], row[0]))]
    return "\n".join(["| rule | launches |", "|---|--:|", *rows])


PAGES = {DOCS / "rules.md": ("launches", table)}

if __name__ == "__main__":
    command("launches", PAGES, sys.argv[1:])
