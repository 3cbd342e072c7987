"""Nets of timm, torchvision and any package: cut before their last layer, counted, drawn from a stream, trained."""

from __future__ import annotations

import sys
import tomllib
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from selbench.harness.code import code_of
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse, refuse_unknown_names
from selbench.harness.toml import Named
from selbench.harness.training.flops import image_flops
from selbench.harness.training.learners import learner
from selbench.strategies import UsageError

SMALL = {"patch_size": 2, "embed_dim": 16, "depth": 2, "num_heads": 2}


def named(name, **parameters):
    return learner(Named(name=name, **parameters))


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_net_of_torchvision_is_trained_on_digits(tmp_path):
    assert trained(matrix("torchvision:shufflenet_v2_x0_5"), tmp_path) == "shufflenet_v2_x0_5 (torchvision)"


def test_a_small_vit_of_timm_is_trained_on_digits(tmp_path):
    pytest.importorskip("timm", reason="timm is not installed")
    table = matrix("timm:vit_tiny_patch16_224", **SMALL)
    assert "embed_dim 16" in trained(table, tmp_path)


def matrix(name, **parameters):
    return {
        "name": "small",
        "seeds": 1,
        "batch": 16,
        "ladder": [1.0],
        "budget": {"steps": 2},
        "proxy": {"passes": 1},
        "learner": {"name": name, **parameters},
        "datasets": [{"name": "digits", "options": {"limit": 32, "test_limit": 16}}],
        "strategies": [{"name": "el2n"}],
    }


def trained(table, root):
    asked = parse(table)
    refuse_unknown_names(asked, "inline", None)
    done = run(asked, RunRequest(root / "out", None, root / "cache", "cpu", 1, "inline"))
    assert not done.failed
    return tomllib.loads((done.out / "matrix.toml").read_text())["learner"]["text"]


def test_it_is_the_librarys_own_net_cut_before_its_last_layer():
    from torchvision.models import get_model

    net = named("torchvision:shufflenet_v2_x0_5").build(3, 32, 7, stream(3)).eval()
    whole = get_model("shufflenet_v2_x0_5", num_classes=7)
    whole.load_state_dict(
        {k.removeprefix("body."): v for k, v in net.state_dict().items() if k.startswith("body.")}
        | {f"fc.{k}": v for k, v in net.head.state_dict().items()}
    )
    x = torch.rand(2, 3, 32, 32, generator=stream())
    torch.testing.assert_close(net(x), whole.eval()(x))
    torch.testing.assert_close(net.head(net.forward_features(x)), net(x))
    assert net.forward_features(x[:, :1].expand(-1, 3, -1, -1)).shape == (2, 1024)


def test_its_weights_come_from_the_stream_alone():
    made = named("torchvision:shufflenet_v2_x0_5")
    before = torch.get_rng_state()
    a, b, c = (made.build(1, 16, 10, stream(seed)).head.weight for seed in (5, 5, 6))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(before, torch.get_rng_state())


def test_nothing_is_dropped_at_random():
    net = named("torchvision:mobilenet_v3_small").build(3, 32, 10, stream())
    assert [module.p for module in net.modules() if isinstance(module, nn.Dropout)] == [0.0]


def test_a_small_stem_keeps_the_map_and_is_known_for_resnets_alone():
    made = named("torchvision:resnet18", stem="small")
    body = made.build(3, 8, 10, None).body
    assert made.title == "resnet18 (torchvision, small stem)"
    assert body.conv1.stride == (1, 1) and isinstance(body.maxpool, nn.Identity)
    with pytest.raises(UsageError, match="stem = 'small' is not known for it"):
        named("torchvision:shufflenet_v2_x1_0", stem="small").build(3, 8, 10, None)


def test_grouped_convolutions_cost_what_their_products_do():
    with torch.device("meta"):
        convs = [nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False) for _ in range(2)]
        net = nn.Sequential(*convs, nn.Flatten(), nn.Linear(8 * 36, 2))
    conv, last = 2 * 8 * 9 * 36, 2 * 8 * 36 * 2
    # Forward, the weights' gradient, and, but for the first layer, the input's cost the same.
    assert image_flops(net, (8, 6, 6)) == (2 * conv + last, 5 * conv + 3 * last)


def test_a_vits_attention_is_counted():
    pytest.importorskip("timm", reason="timm is not installed")
    net = named("timm:vit_tiny_patch16_224", **SMALL).build(1, 8, 10, None)
    tokens, width = 17, 16
    blocks = 2 * (tokens * 12 * width**2 + 2 * tokens**2 * width)  # qkv, projection, MLP; QK' and AV
    by_hand = 2 * (blocks + 16 * 3 * 4 * width + 10 * width)
    assert image_flops(net, (1, 8, 8))[0] == by_hand


@pytest.fixture
def mynets(monkeypatch):
    module = ModuleType("mynets_of_a_test")
    module.__spec__ = ModuleSpec("mynets_of_a_test", None)
    monkeypatch.setitem(sys.modules, "mynets_of_a_test", module)

    def build(channels, classes, hidden=5):
        first = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, hidden), nn.ReLU())
        return nn.Sequential(first, nn.Linear(hidden, classes))

    module.build, module.text = build, "no function"
    module.softmax = lambda classes: nn.Sequential(build(1, classes), nn.Softmax(1))
    module.conv = lambda classes: nn.Conv2d(1, classes, 8)
    return module


def test_any_packages_function_makes_one(mynets):
    made = named("mynets_of_a_test:build", hidden=6)
    net = made.build(1, 8, 10, stream())
    assert net.head.in_features == 6 and net(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert made.title == "mynets_of_a_test:build (hidden 6)"


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("torchvision:resnet19", {}, "did you mean 'resnet18'"),
        ("torchvison:resnet18", {}, "did you mean 'torchvision'"),
        ("torchvision", {}, "torchvision:NET"),
        ("torchvision:resnet18", {"widht": 3}, "cannot be built"),
        ("torchvision:resnet18", {"features": "avgpool"}, "names no linear layer of it"),
        ("torchvision:squeezenet1_1", {}, "has no linear layer"),
        ("torchvision:resnet18", {"stem": "tiny"}, "must be 'small'"),
        ("torchvision:resnet18", {"pretrained": True}, "name a file, pretrained = FILE"),
        ("torchvision:resnet18", {"pretrained": "none.pth"}, "there is no file"),
        ("torchvision:alexnet", {}, "takes no images of 1 x 8 px"),
        ("mynets_of_a_test:biuld", {}, "did you mean 'build'"),
        ("mynets_of_a_test:softmax", {}, "is not the output of its linear layer"),
        ("mynets_of_a_test:conv", {}, "has no linear layer"),
        ("no.such.package:build", {}, "can be imported here"),
    ],
)
def test_what_does_not_fit_is_one_line(mynets, name, parameters, says):
    with pytest.raises(UsageError, match=says) as caught:
        named(name, **parameters).build(1, 8, 10, stream())
    assert "\n" not in str(caught.value)


def test_a_narrower_net_is_asked_of_those_that_have_a_width():
    assert learner(Named(name="resnet18", width=64), 4).width == 4
    with pytest.raises(UsageError, match="has no width"):
        learner(Named(name="torchvision:resnet18"), 4)


def test_weights_of_a_file_are_started_from_and_named_by_their_content(tmp_path):
    net = named("torchvision:shufflenet_v2_x0_5").build(3, 32, 7, stream(3))
    names = {
        k.replace("head.", "fc.") if k.startswith("head.") else k.removeprefix("body."): v
        for k, v in net.state_dict().items()
    }
    save_file(names, tmp_path / "w.safetensors")
    made = named("torchvision:shufflenet_v2_x0_5", pretrained="w.safetensors")
    same, other = (made.build(3, 32, classes, stream(4), data_dir=tmp_path) for classes in (7, 5))
    assert torch.equal(same.head.weight, net.head.weight) and other.head.weight.shape[0] == 5
    assert torch.equal(other.body.conv1[0].weight, net.body.conv1[0].weight) and other.training
    first = made.fingerprint(tmp_path)
    save_file(names | {"fc.bias": names["fc.bias"] + 1}, tmp_path / "w.safetensors")
    assert first and first != made.fingerprint(tmp_path) and made.title.endswith("pre-trained")


def test_the_code_of_a_packages_function_is_its_modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = []
    for at, text in enumerate(("def build(): return 1", "def build(): return 2")):
        (tmp_path / f"net_of_mine{at}.py").write_text(text)
        digests.append(code_of("learners", f"net_of_mine{at}:build"))
    assert digests[0] != digests[1] and code_of("learners", "timm:vit") == code_of("learners", "timm:other")
