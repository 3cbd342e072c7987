"""The laws of learners, references and data sets: over all that are registered, and what breaks them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from selbench.harness.datasets.base import Images
from selbench.harness.testing import KINDS, check, datasets, learners, references
from selbench.strategies import UsageError
from selbench.strategies.registry import registry
from selbench.strategies.testing.checks import Checkup

OPTIONS = {
    "resnet18": {"width": 4},
    "resnet8": {"width": 4},
    "leak": {"accept_leak": True},
    "untrained:squeezenet1_1": {"resolution": 32},
    "shuffled:untrained:squeezenet1_1": {"options": {"resolution": 32}},
    **{f"efficientnet-lite{n}": {"resolution": 32} for n in range(3)},
}
ARGUMENTS = {
    "timm": "vit_tiny_patch16_224",
    "torchvision": "shufflenet_v2_x0_5",
    "untrained": "squeezenet1_1",
    "foreign": "digits",
    "shuffled": "untrained:squeezenet1_1",
}
TINY_VIT = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2}


SPECS = [
    (kind, f"{name}:{ARGUMENTS[name]}" if name in ARGUMENTS else name)
    for kind in KINDS
    for name in registry(f"{kind}s").found()
]


def verdicts(results):
    return {result.law: result.verdict for result in results}


@pytest.mark.parametrize(("kind", "spec"), SPECS, ids=str)
def test_all_that_is_registered_and_needs_no_files_keeps_the_laws(kind, spec):
    if "timm" in spec and find_spec("timm") is None:
        pytest.skip("timm is not installed")
    options = OPTIONS.get(spec, {}) | (TINY_VIT if kind == "learner" and "vit" in spec else {})
    try:
        results = check(kind, spec, **options)
    except UsageError as error:
        pytest.skip(f"it needs a file: {error}")
    assert not [result for result in results if result.verdict == "fail"]


def test_those_that_need_no_files_are_judged():
    for kind, spec in (("learner", "resnet8"), ("dataset", "digits")):
        found = verdicts(check(kind, spec, **OPTIONS.get(spec, {})))
        assert [law for law, verdict in found.items() if verdict != "pass"] in ([], ["fingerprint"])


class Net(nn.Module):
    """A linear net with all the faults that a learner's net may have."""

    def __init__(self, classes, fault):
        super().__init__()
        self.fault, self.seen = fault, 0
        self.body = nn.Linear(3 * 32 * 32, 4)
        self.head = nn.Linear(4, classes)
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)
        self.unused = nn.Linear(1, 1) if fault == "gradients" else None

    def forward_features(self, x):
        found = self.body(x.flatten(1))
        if self.fault == "batches":
            found = found - found.mean(0)
        if self.fault == "global-randomness" and self.training and x.device.type != "meta":
            found = nn.functional.dropout(found, 0.5)
        if self.fault == "state" and x.device.type != "meta":
            self.seen += self.training
        return (found + self.seen)[:, : 3 if self.fault == "features" else 4]

    def forward(self, x):
        found = self.forward_features(x)
        logits = self.head(nn.functional.pad(found, (0, 4 - found.shape[1])))
        return logits[:, :1] if self.fault == "forward" else logits


class Faulty:
    title = "faulty"

    def __init__(self, fault):
        self.fault, self.asked = fault, 0

    def fingerprint(self, data_dir):
        self.asked += 1
        return self.asked if self.fault == "fingerprint" else ""

    def build(self, channels, resolution, classes, generator, device="cpu", data_dir=None):
        if self.fault == "builds":
            return "a net"
        with torch.device("meta" if generator is None and self.fault != "flops" else "cpu"), torch.random.fork_rng([]):
            net = Net(classes, self.fault)
            if self.fault != "gradients":
                del net.norm
        if generator is not None:
            for parameter in net.parameters():
                fixed = None if self.fault == "deterministic" else generator
                with torch.no_grad():
                    parameter.copy_(torch.randn(parameter.shape, generator=fixed or torch.Generator().manual_seed(0)))
        return net


@pytest.mark.parametrize("law", [law.name for law in learners.LAWS])
def test_a_learner_that_breaks_one_law_is_told_so(law):
    found = Checkup(learners.LearnerSubject(Faulty(law), None), learners.LAWS).results()
    assert verdicts(found)[law] == "fail", found
    if law not in ("builds", "forward", "features"):
        assert [result.law for result in found if result.verdict == "fail"] == [law]


class FaultySet:
    augmentation, resolution = "none", 8

    def __init__(self, fault):
        self.fault, self.loads = fault, 0
        if fault == "declares":
            self.augmentation = "mirror"

    def load(self, data_dir, cache_dir, *, download=False):
        self.loads += self.fault == "deterministic"
        stream = torch.Generator().manual_seed(self.loads)
        train, test = (torch.randint(256, (60, 1, 8, 8), generator=stream).to(torch.uint8) for _ in range(2))
        labels, names = torch.arange(60) % 3, ("a", "b", "c")
        if self.fault == "arrays":
            train = train.float()
        if self.fault == "labels":
            labels = labels + 1
        if self.fault == "classes":
            names = (*names, "d")
        return Images(train, labels, train if self.fault == "disjoint" else test, labels, names)


@pytest.mark.parametrize("law", [law.name for law in datasets.LAWS if law.name != "splits"])
def test_a_data_set_that_breaks_one_law_is_told_so(law):
    found = Checkup(datasets.DatasetSubject(FaultySet(law), None), datasets.LAWS).results()
    assert [result.law for result in found if result.verdict == "fail"] == [law]


class FaultyReference:
    needs_holdout, external, training, passes = False, "", "", 1.0

    def __init__(self, fault):
        self.fault, self.asked = fault, 0
        if fault == "declares":
            self.needs_holdout = "no"

    def check(self, data_dir):
        pass

    def fingerprint(self, data_dir):
        return "" if self.fault == "fingerprint" else "abc"

    def extract(self, images, labels, *, data_dir, device):
        from selbench.harness.references.base import Extraction

        rows = images.float().flatten(1)[:, :4]
        self.asked += self.fault == "deterministic"
        if self.fault == "in-order":
            rows = rows + 10 * torch.arange(len(rows))[:, None]
        if self.fault == "extracts":
            rows = rows / 0
        return Extraction([rows + 1e-5 * self.asked], None, 1.0)


@pytest.mark.parametrize("law", [law.name for law in references.LAWS])
def test_a_reference_that_breaks_one_law_is_told_so(law):
    found = Checkup(references.ReferenceSubject(FaultyReference(law), None), references.LAWS).results()
    assert [result.law for result in found if result.verdict == "fail"] == [law]


def test_an_unknown_kind_or_name_is_one_line():
    with pytest.raises(UsageError, match="did you mean 'learner'"):
        check("lerner", "resnet8")
    with pytest.raises(UsageError, match="did you mean 'resnet8'"):
        check("learner", "resnet9")
