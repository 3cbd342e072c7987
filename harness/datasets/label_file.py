"""Labels that somebody gave, from a file: people's, another model's, those of a web search."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...strategies import UsageError
from ..toml import decoded
from .base import Images

CHANCE = 0.05  # labels must agree with the true ones by so much more than by chance, else they are in another order
SHOWN = 12  # classes that a message names in their order


def read_labels(path: Path, column: str = "", files: str = "") -> Tensor:
    """Labels ``[N]`` int64 of a file: ``.npy``, or ``.csv`` or ``.txt`` with a label a line (also as ``.gz``).

    A table of several columns names them in its first line; ``column`` is one of them, ``files`` that of file names
    in whose order labels are wanted.
    """
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if path.suffix in (".pt", ".pth", ".pkl", ".pickle"):
        raise UsageError(
            f"{path} is a pickle, which could run any program and is never read: convert it to .npy or .csv once"
        )
    if kind not in (".npy", ".csv", ".txt"):
        raise UsageError(f"{path} is no file of labels: it must end in .npy, .csv or .txt")
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
            if column or found.ndim != 1 or found.dtype.kind not in "iu":
                kind = f"{found.dtype} {list(found.shape)}"
                raise ValueError(f"a .npy file holds whole numbers [N] and no columns, not {kind}")
            return torch.from_numpy(found.astype(np.int64))
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return _column([row for row in csv.reader(io.StringIO(decoded(content))) if row], column, files)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}; correct the path") from None
    except (ValueError, EOFError, csv.Error, zlib.error) as error:
        raise UsageError(f"{path} is no file of labels that can be read: {error}") from None


def _column(rows: list[list[str]], column: str, files: str) -> Tensor:
    if not rows:
        raise ValueError("it is empty")
    head, place = rows[0], 0
    if column or len(head) > 1:
        for option, name in (("spoil.column", column), ("files", files or column)):
            if name not in head:
                raise ValueError(f"it has no column {name!r}: set {option} to one of {', '.join(head)}")
        place, rows = head.index(column), rows[1:]
    texts = [row[place].strip() if place < len(row) else "" for row in rows]
    for line, text in enumerate(texts, start=1):
        if not text.isascii() or not text.isdigit():
            raise ValueError(f"label {line} is {text!r}, not a whole number from 0 on")
    order = list(range(len(rows)))
    if files:
        by = head.index(files)
        order.sort(key=lambda line: rows[line][by : by + 1])
    return torch.tensor([int(texts[line]) for line in order], dtype=torch.int64)


def aligned(given: Tensor, images: Images) -> tuple[Tensor, str]:
    """Those of the labels ``given`` to all N training images of a data set that are of the ones loaded ``[n]``.

    A label is the place of a class; where all classes are called by numbers it may be that number, whichever agrees
    with more of the true labels. Also what readers must know of how they were taken; mostly nothing.
    """
    true, ids, classes = images.train_labels, images.train_ids, len(images.classes)
    total = images.train_total or len(true)
    if len(given) != total:
        raise UsageError(
            f"spoil.labels: {len(given):,} labels for {total:,} training images: one for each is needed, in the data "
            "set's order, those that the option limit leaves out among them"
        )
    named = _by_name(given, images.classes)
    readings = [each for each in (given, named) if int(each.min()) >= 0 and int(each.max()) < classes]
    shown = [*images.classes[:SHOWN], *["..."] * (classes > SHOWN)]
    order = f"classes are counted from 0 in this order: {', '.join(shown)}"
    if not readings:
        wrong = int(given[(given < 0) | (given >= classes)][0])
        raise UsageError(f"spoil.labels: {wrong} is no class: labels are numbers from 0 to {classes - 1}; {order}")
    owned = [each if ids is None else each[ids] for each in readings]
    agreements = [float((own == true).double().mean()) for own in owned]
    agreement = max(agreements)
    own = owned[agreements.index(agreement)]
    shares = [torch.bincount(labels, minlength=classes).double() / len(true) for labels in (own, true)]
    if agreement <= float(shares[0] @ shares[1]) + CHANCE:
        raise UsageError(
            f"spoil.labels: {100 * agreement:.3g} % of the labels are right, as by chance: their order must be that of "
            f"the data set's training images, and {order}"
        )
    if readings[agreements.index(agreement)] is named:
        return own, "labels are the numbers that the classes are called by"
    return own, order if agreement < 0.5 else ""


def _by_name(given: Tensor, classes: Sequence[str]) -> Tensor:
    """The places ``[N]`` of the classes whose names are the numbers ``given``; -1 where none is."""
    places = {int(name): place for place, name in enumerate(classes) if name.isascii() and name.isdigit()}
    if len(places) < len(classes):
        return torch.full_like(given, -1)
    return torch.tensor([places.get(label, -1) for label in given.tolist()])
