from __future__ import annotations

import json

import pytest
import torch

from selbench.harness.training import flops
from selbench.harness.training.flops import count_for_all, count_selection, image_flops, learner_flops
from selbench.harness.training.learner import ResNet18
from selbench.strategies import BatchLosses, load
from selbench.strategies.maths.spectral import fiedler, usual_steps


def by_hand(width, side, channels, classes, cifar):
    """Multiply-adds of ResNet-18's convolutions and head, times two."""
    total, w = 0, width
    if cifar:
        total += side * side * w * channels * 9
    else:
        side //= 2
        total += side * side * w * channels * 49
        side //= 2
    for stage in range(4):
        out = width << stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            side //= stride
            total += side * side * out * (w + out) * 9
            if stride == 2 or w != out:
                total += side * side * out * w
            w = out
    return 2 * (total + w * classes)


@pytest.mark.parametrize(("width", "side", "channels"), [(64, 32, 3), (64, 224, 3), (8, 8, 1), (16, 64, 3)])
def test_forward_flops_agree_with_a_hand_count(width, side, channels):
    net = ResNet18(width).build(channels, side, 10, None)
    assert image_flops(net, (channels, side, side))[0] == pytest.approx(
        by_hand(width, side, channels, 10, side <= 64), rel=0.01
    )


def test_the_standard_nets_cost_what_is_published():
    cifar = ResNet18().build(3, 32, 10, None)
    assert image_flops(cifar, (3, 32, 32))[0] == pytest.approx(1.11e9, rel=0.01)
    assert image_flops(cifar, (3, 32, 32))[1] == pytest.approx(3.33e9, rel=0.01)
    imagenet = ResNet18().build(3, 224, 1000, None)
    assert image_flops(imagenet, (3, 224, 224))[0] == pytest.approx(3.628e9, rel=0.01)


@pytest.mark.parametrize(("side", "classes"), [(32, 10), (224, 1000)])
def test_backward_flops_agree_with_a_hand_count(side, classes):
    """Gradients of weights and of inputs cost a forward pass each; the images themselves need none."""
    forward = by_hand(64, side, 3, classes, side <= 64)
    stem = 2 * (side * side * 64 * 3 * 9 if side <= 64 else (side // 2) ** 2 * 64 * 3 * 49)
    net = ResNet18().build(3, side, classes, None)
    assert image_flops(net, (3, side, side))[1] == pytest.approx(3 * forward - stem, rel=0.01)


def candidates(n, d, k):
    draw = torch.Generator().manual_seed(0)
    signals = {name: torch.rand(n, generator=draw) for name in ("learner", "reference")}
    features = torch.rand(n, d, generator=draw)
    index = torch.arange(n)
    return features, BatchLosses(**signals, learner_features=features, labels=index % 4, index=index, k=k)


@pytest.mark.parametrize(("n", "d"), [(128, 512), (512, 512), (1024, 512), (1024, 2048), (4096, 64)])
@pytest.mark.parametrize("normalized", [False, True])
def test_the_solver_costs_its_hand_count(n, d, normalized):
    """By hand: products with the features (2nd each), with the basis (2n a vector), and the small problem."""
    features, _ = candidates(n, d, n)
    if n <= 160 and normalized:
        pytest.skip("a matrix of this size goes to LAPACK whole, at 9 n^3 by convention")
    steps = usual_steps(n)
    products = 2 + 2 * steps  # degrees, start, and two for each step
    passes = sum(4 * (j + 1) for j in range(1, steps + 1))  # twice against all vectors so far, there and back
    hand = 2.0 * n * d * products + 2.0 * n * passes + 2.0 * n * steps + 9.0 * steps**3
    hand += 5.0 * n * d + 4.0 * n * steps  # rows scaled, checked and summed; what else a step does to its vector
    if normalized:
        hand += 3.0 * n * d + 4.0 * n * steps  # rows scaled once more, one column wider
    if n <= 160:
        hand = 2.0 * n * n * d + 9.0 * n**3 + 2 * 2 / 3 * n**3 + 5.0 * n * n
    counted = count_selection(lambda: fiedler(features, normalized=normalized))
    assert counted.flops == pytest.approx(hand, rel=0.01) and not counted.unknown


def test_chunks_of_jest_cost_their_hand_count():
    """Sixteen orderings; noise, logits and ranking keys for each; joint forms add all pairs, twice."""
    n, d, k, chunks = 1024, 64, 256, 16
    features, losses = candidates(n, d, k)
    # Of a key's eight operations the shift is the factor of its sum and the last choice a fill: six are counted.
    ranked, drawn = 6 * n + n * 10, 9 * n
    hand = chunks * ranked + chunks * drawn + n
    assert count_selection(lambda: load("jest").select(None, losses, k / n)).flops == pytest.approx(hand, rel=0.01)
    pairs = 2 * (2 * n * n * d + 5 * n * n) + 3 * n * n  # two models' products, five operations each, three together
    joint = load("jest", form="joint-sigmoid")
    counted = count_selection(lambda: joint.select(features, losses, k / n)).flops
    assert counted == pytest.approx(hand + pairs + n * k, rel=0.01)


def test_greedy_k_centre_costs_its_hand_count():
    """k rounds of n distances (difference, square and sum: 3d each), a minimum, and a search for the farthest."""
    n, d, k = 512, 64, 128
    features, _ = candidates(n, d, k)

    def greedy():
        nearest = torch.full((n,), torch.inf)
        pick = torch.zeros(1, dtype=torch.int64)
        for _ in range(k):
            nearest = torch.minimum(nearest, torch.cdist(features[pick], features)[0])
            pick = nearest.argmax().reshape(1)

    counted = count_selection(greedy)
    assert counted.flops == pytest.approx(k * (3 * n * d + 2 * n), rel=0.01) and not counted.unknown


A, X = torch.ones(30, 40), torch.ones(40)


@pytest.mark.parametrize(
    ("call", "flops"),
    [
        (lambda: A @ X, 2 * 30 * 40),
        (lambda: X @ X, 2 * 40),
        (lambda: A @ A.T, 2 * 30 * 30 * 40),
        (lambda: torch.outer(X, X), 40 * 40),
        (lambda: torch.linalg.eigh(A @ A.T), 2 * 30 * 30 * 40 + 9 * 30**3),
        (lambda: torch.linalg.solve_triangular(A[:, :30].triu(), A, upper=True), 30 * 30 * 40),
        (lambda: X.clone()[:30].addmv_(A, X), 2 * 30 * 40),
        (lambda: A.aminmax(), 30 * 40),
        (lambda: X + X, 40),
        (lambda: X.sum(), 40),
        (lambda: torch.ones(64).sort(), 64 * 6),
        (lambda: torch.ones(64).topk(3), 64 * 6),
        (lambda: torch.ones(8, 64).sort(dim=0), 64 * 8 * 3),
        (lambda: A.T.reshape(-1)[3:7].clone(), 0),
        (lambda: X.clone().exponential_(generator=torch.Generator().manual_seed(0)), 40),
    ],
)
def test_operators_that_pytorchs_counter_takes_for_free_are_counted(call, flops):
    counter = count_selection(call)
    assert counter.flops == flops
    assert not counter.unknown


def test_distances_are_counted():
    points = torch.rand(50, 16, generator=torch.Generator().manual_seed(0))
    assert count_selection(lambda: torch.cdist(points, points)).flops == pytest.approx(3 * 50 * 50 * 16)


def test_an_operator_without_a_formula_is_named():
    counter = count_selection(lambda: torch.fft.fft(torch.ones(8)))
    assert counter.unknown == {"aten._fft_r2c"} or any("fft" in name for name in counter.unknown)


def test_a_net_is_counted_once_in_a_process_and_once_in_a_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(flops, "_COUNTED", {})
    nets = ((2, 8), (2, 8), (2, 16), (3, 8))
    asked = [learner_flops(ResNet18(width), 1, side, 10, tmp_path) for width, side in nets]
    assert asked[0] == asked[1] and len({*asked}) == len(flops._COUNTED) == len([*tmp_path.glob("flops/*.json")]) == 3
    assert asked[3] == image_flops(ResNet18(3).build(1, 8, 10, None), (1, 8, 8))
    monkeypatch.setattr(flops, "_COUNTED", {})
    monkeypatch.setattr(flops, "image_flops", lambda *_: (1.0, 2.0))
    assert [learner_flops(ResNet18(width), 1, side, 10, tmp_path) for width, side in nets] == asked
    for file in tmp_path.glob("flops/*.json"):
        file.write_text("[3]")
    monkeypatch.setattr(flops, "_COUNTED", {})
    assert learner_flops(ResNet18(2), 1, 8, 10, tmp_path) == (1.0, 2.0)  # damaged: counted again


def test_a_run_leaves_its_workers_the_count_of_a_net_that_is_ours(tmp_path):
    class Theirs(ResNet18):
        pass

    counts = learner_flops(ResNet18(2), 1, 8, 10)  # counted before: written all the same
    for learner in (ResNet18(2), Theirs(2)):
        count_for_all(learner, 1, 8, 10, tmp_path)
    (file,) = tmp_path.glob("flops/*.json")
    assert json.loads(file.read_text()) == list(counts)
