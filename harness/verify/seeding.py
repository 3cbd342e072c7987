"""Checks that independent runs share no random stream."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...reports.records.models import Artefact, Cell, Tuning
from ..streams import derive
from .findings import Finding

_ONCE = ("init", "select", "split", "probe")
_EACH_EPOCH = ("order", "augment")

MEND = "one of the two must be run again with another seed: change the seeds of the matrix"


def shared_streams(
    cells: Mapping[str, Cell], tuning: Mapping[str, Tuning], artefacts: Mapping[str, Artefact]
) -> Iterator[Finding]:
    """Two seeds of runs, or a run's and an artefact's, that come to one stream.

    Cells of one seed share their streams, so that arms are paired; everything else is derived here anew, and no
    number may come twice. Parameters are records by file.
    """
    roots: dict[int, str] = {}
    for runs in (cells, tuning):
        for file, run in runs.items():
            roots.setdefault(run.seed, file)
    for file, meta in artefacts.items():
        if meta.seed is not None and meta.kind in ("reference", "proxy", "picks"):
            name = meta.name if meta.kind == "reference" else ""
            root = derive(meta.seed, meta.kind, name)
            if root in roots and not roots[root].startswith("artefacts/"):
                yield Finding(file, f"its stream is that of {roots[root]}", MEND)
            roots.setdefault(root, file)
    epochs = 2 + max((math.ceil(record.curve[-1].passes) for record in cells.values()), default=0)
    seen: dict[int, tuple[int, str]] = {}
    for root, file in roots.items():
        for axis in streams(epochs):
            other, first = seen.setdefault(derive(root, *axis), (root, file))
            if other != root:
                yield Finding(file, f"its stream {axis[0]!r} is that of {first}", MEND)


def streams(epochs: int) -> Iterator[tuple[Any, ...]]:
    """The axes of a run of so many epochs."""
    yield from ((name,) for name in _ONCE)
    yield from ((name, epoch) for name in _EACH_EPOCH for epoch in range(epochs))


def same_results(cells: Mapping[str, Cell]) -> Iterator[Finding]:
    """Cells of two seeds with one course to the last bit: they cannot have drawn different numbers."""
    seen: dict[str, tuple[int, str]] = {}
    for file, record in cells.items():
        losses = [point.train_loss for point in record.curve]
        if None in losses:
            continue  # diverged
        course = [record.dataset, losses, record.result.packed, record.picks.class_counts]
        seed, first = seen.setdefault(json.dumps(course), (record.seed, file))
        if seed != record.seed:
            yield Finding(file, f"seed {record.seed} came out as seed {seed} in {first}, to the last bit", MEND)


def twice(files: Iterable[tuple[str, tuple[Any, ...]]], words: str) -> Iterator[Finding]:
    """Two records of one thing, by what they are of."""
    seen: dict[tuple[Any, ...], str] = {}
    for file, of in files:
        first = seen.setdefault(of, file)
        if first != file:
            yield Finding(file, f"a second record of {words.format(*of)}, beside {first}", "remove one of the two")
