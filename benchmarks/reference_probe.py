"""How good references are: a linear probe on Flowers-102, official train split to official val split.

``python -m selbench.benchmarks.reference_probe DATA [SIDE] [REFERENCE ...]`` prints one line for each reference: the
share of the 1,020 val images that a probe on its features of the 1,020 train images classifies rightly.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

from ..harness.datasets.sets.flowers import Flowers
from ..harness.references.probe import held_out
from ..harness.references.spec import reference

LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
CPU = torch.device("cpu")


def main(data: Path, side: int = 128, names: tuple[str, ...] = (*LITE, "squeezenet1_1", "untrained:resnet18")) -> None:
    with tempfile.TemporaryDirectory() as cache:
        flowers = Flowers(train="train+val", resolution=side, test_limit=102).load(data, Path(cache))
    images, labels = flowers.train, flowers.train_labels
    fold = (torch.arange(len(labels)) < len(labels) // 2).long()  # val, which comes last, is fold 0
    for name in names:
        begun = time.perf_counter()
        net = reference(name, {"resolution": side})
        got = torch.cat(list(net.extract(images, labels, data_dir=data, device=CPU).features))
        ids, scores, _ = next(held_out(got, labels, 102, fold, l2=1e-2, device=CPU))
        share = (scores.argmax(1) == labels[ids]).double().mean()
        print(
            f"{name}: {100 * share:.1f} % at {side} px ({net.external or 'no training'}), "
            f"{time.perf_counter() - begun:.0f} s, {torch.get_num_threads()} thread(s)"
        )


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(Path(folder), *([int(rest[0])] if rest else []), *([tuple(rest[1:])] if rest[1:] else []))
