from __future__ import annotations

import pytest
import torch
import torchvision

from selbench.harness.training.learner import ResNet8, ResNet18
from selbench.strategies import UsageError


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_at_width_64_above_64_px_it_is_torchvisions_resnet18():
    ours = ResNet18().build(3, 224, 1000, None)
    with torch.device("meta"):
        theirs = torchvision.models.resnet18()
    assert count(ours) == count(theirs)
    assert sorted(tuple(p.shape) for p in ours.parameters()) == sorted(tuple(p.shape) for p in theirs.parameters())


def test_it_computes_what_torchvisions_resnet18_computes():
    ours = ResNet18().build(3, 96, 10, torch.Generator().manual_seed(1))
    theirs = torchvision.models.resnet18(num_classes=10)
    # Both list stem, blocks (conv, norm, conv, norm, shortcut) and head in the same order.
    with torch.no_grad():
        for a, b in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True):
            a.copy_(b)
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-4)


def test_features_are_the_penultimate_layer():
    net = ResNet18(4).build(3, 32, 10, torch.Generator().manual_seed(0)).eval()
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    features = net.forward_features(x)
    assert features.shape == (3, 32)
    torch.testing.assert_close(net.head(features), net(x))


def test_small_images_get_the_stem_that_keeps_their_size():
    assert ResNet18(4).build(3, 64, 10, None).stem[0].stride == (1, 1)
    assert ResNet18(4).build(3, 65, 10, None).stem[0].stride == (2, 2)


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    a, b = (ResNet18(4).build(1, 8, 10, torch.Generator().manual_seed(5)) for _ in range(2))
    other = ResNet18(4).build(1, 8, 10, torch.Generator().manual_seed(6))
    assert all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert not torch.equal(a.head.weight, other.head.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_a_net_that_is_not_the_standard_one_is_named_as_such():
    assert ResNet18().title == "ResNet-18"
    assert ResNet18(16).title == "ResNet-18, width 16 (not the standard 64)"
    with pytest.raises(UsageError, match="whole number"):
        ResNet18(0)


def test_it_starts_from_torchvisions_weights_where_they_fit(tmp_path):
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    torch.save(theirs.state_dict(), tmp_path / "r18.pth")
    learner = ResNet18(weights="r18.pth")
    ours = learner.build(3, 96, 10, torch.Generator().manual_seed(1), data_dir=tmp_path).eval()
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
    assert learner.title == "ResNet-18, pre-trained" and learner.fingerprint(tmp_path)
    other = learner.build(3, 96, 7, torch.Generator().manual_seed(1), data_dir=tmp_path).eval()
    torch.testing.assert_close(other.forward_features(x), ours.forward_features(x))


@pytest.mark.parametrize(("width", "resolution"), [(64, 32), (32, 96)])
def test_weights_that_do_not_fit_are_refused(tmp_path, width, resolution):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "r18.pth")
    with pytest.raises(UsageError, match="need width 64 and images above 64 px"):
        ResNet18(width, "r18.pth").build(3, resolution, 10, torch.Generator(), data_dir=tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        ResNet18(weights="none.pth").fingerprint(tmp_path)


def test_resnet_8_has_eight_layers_of_weights_beside_its_projections():
    net = ResNet8().build(1, 8, 10, torch.Generator().manual_seed(0))
    layers = [name for name, p in net.named_parameters() if p.ndim > 1 and "shortcut" not in name]
    assert len(layers) == 8 and net.head.in_features == 64
    assert net.eval()(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert (ResNet8().title, ResNet8(12).title) == ("ResNet-8", "ResNet-8, width 12 (not the standard 16)")


def test_stem_and_blocks_are_compiled_where_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part, **options: asked.append((type(part), options)))
    for learner in (ResNet18(4), ResNet18(4, compile=True), ResNet8(4, compile=True)):
        learner.build(1, 8, 10, torch.Generator().manual_seed(0))
    assert asked == [(torch.nn.Sequential, {"dynamic": True})] * 4
    ResNet18(4, compile=True).build(1, 8, 10, None)
    assert len(asked) == 4  # operations are counted on a net as it is
