"""How good references are: a linear probe on Flowers-102, fitted on the official train split, tested on the val split.

``SELBENCH_DATA_DIR=DATA pytest benchmarks/bench_references.py -s`` prints a line for each net whose weights are there:
the share of the 1,020 val images that the probe classifies rightly, and what it took. Without data: half of the digits.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from selbench.harness.datasets.base import Images
from selbench.harness.datasets.sets.digits import Digits
from selbench.harness.datasets.sets.flowers import Flowers
from selbench.harness.references.probe import held_out
from selbench.harness.references.spec import reference
from selbench.strategies import UsageError

SIDE = 128
NETS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "squeezenet1_1", "untrained:resnet18")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, Path | None]:
    """A data set of which the second half of the training images is tested."""
    cache = tmp_path_factory.mktemp("cache")
    if (given := os.environ.get("SELBENCH_DATA_DIR")) is None:
        return Digits(limit=100).load(None, cache), None
    return Flowers(train="train+val", resolution=SIDE, test_limit=102).load(Path(given), cache), Path(given)


@pytest.mark.parametrize("name", NETS)
def test_probe(name: str, images: tuple[Images, Path | None]) -> None:
    (found, data), labels, classes = images, images[0].train_labels, len(images[0].classes)
    try:
        net = reference(name, {"resolution": SIDE})
        net.check(data)
    except UsageError as missing:
        pytest.skip(str(missing))
    begun = time.perf_counter()
    features = torch.cat(list(net.extract(found.train, labels, data_dir=data, device=CPU).features))
    fold = (torch.arange(len(labels)) < len(labels) // 2).long()  # val, which comes last, is fold 0
    ids, scores, _ = next(held_out(features, labels, classes, fold, l2=1e-2, device=CPU))
    share = float((scores.argmax(1) == labels[ids]).double().mean())
    took = f"{time.perf_counter() - begun:.0f} s, {torch.get_num_threads()} thread(s)"
    print(f"\n{name}: {100 * share:.1f} % at {SIDE} px ({net.external or 'not trained'}), {took}")
    assert share > 1 / classes
