"""Each rule against a case worked by hand or a second, slower implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from selbench.strategies import BatchLosses, UsageError, load
from selbench.strategies.rules.jest import chunk_sizes

from ._inputs import begun, make, pool, replaced


def test_full_ignores_the_ratio():
    assert load("full").select(None, torch.zeros(5), 0.2).tolist() == [0, 1, 2, 3, 4]


def test_uniform_is_fresh_at_each_call_and_fair():
    strategy, counts = begun("uniform", {}), np.zeros(20)
    for _ in range(500):
        counts[strategy.select(None, torch.zeros(20), 0.25).numpy()] += 1
    assert counts.sum() == 2500
    assert abs(counts - 125).max() < 5 * (500 * 0.25 * 0.75) ** 0.5


def test_loss():
    losses = torch.tensor([0.1, 3.0, float("nan"), 2.0, float("inf"), 0.0])
    assert load("loss").select(None, losses, 0.5).tolist() == [4, 1, 3]
    assert load("loss", end="smallest").select(None, losses, 0.5).tolist() == [5, 0, 3]


def test_rho():
    losses = BatchLosses(torch.tensor([5.0, 2.0, 1.0, 4.0]), torch.tensor([4.9, 0.5, 0.9, 0.1]))
    assert load("rho").select(None, losses, 0.5).tolist() == [3, 1]


def test_rho_never_seen_comes_first():
    inf = float("inf")
    losses = BatchLosses(torch.tensor([5.0, inf, inf, 4.0]), torch.tensor([1.0, 2.0, inf, 0.0]))
    assert load("rho").select(None, losses, 1.0).tolist() in ([1, 0, 3, 2], [1, 3, 0, 2])


def test_degree_by_hand():
    # Two alike, one at 60 degrees to both, one at a right angle to two of the others.
    feats = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2], [0.0, 2.0]])
    mean = [(1 + 0.5 + 0) / 3, (1 + 0.5 + 0) / 3, (0.5 + 0.5 + 0.866) / 3, 0.866 / 3]
    order = np.argsort(mean)
    assert load("degree").select(feats, torch.zeros(4), 0.25).tolist() == [order[0]]
    assert load("degree", end="high").select(feats, torch.zeros(4), 0.25).tolist() == [order[-1]]


def test_outlier_is_the_loneliest_and_the_rest_is_random():
    feats, losses = make(30)
    feats[17] = torch.eye(8)[0]
    feats[:, 0] *= torch.where(torch.arange(30) == 17, 1.0, 0.1)
    strategy, counts = begun("outlier", {}), np.zeros(30)
    for _ in range(400):
        picks = strategy.select(feats, losses, 0.2)
        assert picks[0] == 17
        counts[picks.numpy()] += 1
    others = np.delete(counts, 17)
    assert abs(others - 400 * 5 / 29).max() < 5 * (400 * 5 / 29) ** 0.5


def test_fiedler_splits_two_clusters():
    stream = torch.Generator().manual_seed(0)
    feats = torch.cat([torch.tensor([[1.0, 0.2]]).repeat(12, 1), torch.tensor([[0.2, 1.0]]).repeat(8, 1)])
    feats = feats + 0.02 * torch.rand(20, 2, generator=stream)
    high = set(load("fiedler", score="signed").select(feats, torch.zeros(20), 0.4).tolist())
    low = set(load("fiedler", score="signed", end="low").select(feats, torch.zeros(20), 0.6).tolist())
    # The smaller part has the larger entries, and those are made positive.
    assert high == set(range(12, 20)) and low == set(range(12))


def fiedler_scores(feats):
    rows = torch.nn.functional.normalize(feats.double(), dim=1).numpy()
    similar = rows @ rows.T
    return np.abs(np.linalg.eigh(np.diag(similar.sum(1)) - similar)[1][:, 1])


def test_gstds_halves():
    feats, losses = make(60, width=20)
    expected = np.argsort(-fiedler_scores(feats))
    pure = load("fiedler").select(feats, losses, 0.25).tolist()
    assert pure == expected[:15].tolist()
    # 15 picks: 7.5 spectral ones, rounded up.
    picks = begun("gstds", {}).select(feats, losses, 0.25).tolist()
    assert picks[:8] == expected[:8].tolist()
    picks = begun("gstds", {"share": 0.2, "end": "low"}).select(feats, losses, 0.25).tolist()
    assert picks[:3] == expected[::-1][:3].tolist()
    assert begun("gstds", {"share": 1.0}).select(feats, losses, 0.25).tolist() == pure


@pytest.mark.parametrize("weighting", ["inverse", "direct", "uniform"])
def test_gstds_sampled_half_follows_the_reference_loss(weighting):
    feats, losses = make(20)
    reference = torch.linspace(0.1, 2.0, 20)
    losses = replaced(losses, reference=reference)
    strategy = begun("gstds", {"weighting": weighting, "eps": 0.05})
    first = int(load("fiedler").select(feats, losses, 0.05))
    counts = np.zeros(20)
    for _ in range(600):
        picks = strategy.select(feats, losses, 0.1)  # one spectral pick, one sampled
        assert int(picks[0]) == first
        counts[int(picks[1])] += 1
    weights = {"inverse": 1 / (reference + 0.05), "direct": reference + 0.05, "uniform": torch.ones(20)}[weighting]
    weights[first] = 0
    expected = (600 * weights / weights.sum()).numpy()
    assert counts[first] == 0
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected + 1)).all()


def test_gstds_reports_diagnostics_of_its_last_pick():
    strategy = begun("gstds", {})
    assert strategy.diagnostics() == {}
    strategy.select(*make(40), 0.3)
    seen = strategy.diagnostics()
    assert set(seen) == {"participation", "gap", "residual"}
    assert 1 <= float(seen["participation"]) <= 40 and float(seen["gap"]) > 0


def test_fiedler_cost_depends_on_the_device():
    on_cpu, on_gpu = load("fiedler"), load("fiedler")
    on_gpu._device = torch.device("cuda")
    assert on_cpu.flops(96, 64, 10) != on_gpu.flops(96, 64, 10)


def test_el2n_by_hand():
    # One sample right and sure, one wrong and sure, one undecided; two epochs, two classes.
    trace = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]])
    labels = torch.tensor([0, 1, 1])
    scores = load("static").el2n(trace, labels)
    assert scores.tolist() == pytest.approx([0.0, 2**0.5, 0.25 * 2**0.5])
    assert load("static", last=1).el2n(trace, labels).tolist() == pytest.approx([0.0, 2**0.5, 0.5 * 2**0.5])
    assert load("static", first=1).el2n(trace, labels).tolist() == pytest.approx([0.0, 2**0.5, 0.0])
    losses = BatchLosses(labels=labels, trace=trace)
    assert load("static").select(None, losses, 0.4).tolist() == [1]
    assert load("static", keep="easy").select(None, losses, 0.4).tolist() == [0]


def test_el2n_against_numpy():
    _, losses = make(50)
    trace, labels = losses.trace.numpy(), losses.labels.numpy()
    slow = [np.mean([np.linalg.norm(trace[i, t] - np.eye(4)[labels[i]]) for t in range(1, 4)]) for i in range(50)]
    assert np.allclose(load("static", first=1, last=4).el2n(losses.trace, losses.labels), slow, rtol=1e-5)


def test_static_wants_epochs_that_there_are():
    _, losses = make(10)
    for options in ({"last": 7}, {"first": 6}):
        with pytest.raises(UsageError, match="6 epochs"):
            load("static", **options).select(None, losses, 0.5)


@pytest.mark.parametrize("k", [1, 5, 16, 17, 100])
@pytest.mark.parametrize("chunks", [1, 3, 16])
def test_chunk_sizes(k, chunks):
    sizes = chunk_sizes(k, chunks)
    assert sum(sizes) == k and len(sizes) == min(k, chunks) and max(sizes) - min(sizes) <= 1 and min(sizes) >= 1


def slow_jest(scores, k, chunks, first, normalize):
    """Chances ``[k, B]`` of each candidate at each place by the formed matrix, over every order of picks."""
    size, found = len(scores), np.zeros((k, len(scores)))
    sizes = chunk_sizes(k, chunks)
    before = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)  # picks of earlier chunks, at each place

    def follow(picks, chance):
        if len(picks) == k:
            return
        done = before[len(picks)]  # picks of earlier chunks
        indicator = np.isin(np.arange(size), picks[:done]).astype(float)
        logits = np.diag(scores) + indicator @ scores + scores @ indicator
        if normalize:
            logits = logits / (2 * done + 1)
        if not done and first == "uniform":
            logits = np.zeros(size)
        masked = np.where(np.isin(np.arange(size), picks), -np.inf, logits)
        chances = np.exp(masked - masked.max())
        chances *= chance / chances.sum()
        found[len(picks)] += chances
        for pick in np.flatnonzero(chances):
            follow([*picks, pick], chances[pick])

    follow([], 1.0)
    return found


def pairwise(feats, labels, form, scale, bias):
    """Contrastive losses by their definition, pair by pair."""
    z = feats.numpy() / np.linalg.norm(feats.numpy(), axis=1, keepdims=True)
    size, labels = len(z), labels.numpy()
    losses = np.zeros((size, size))
    for i in range(size):
        positives = [j for j in range(size) if j != i and labels[j] == labels[i]]
        for j in range(size):
            if i == j:
                continue
            if form == "joint-sigmoid":
                logit = scale * z[i] @ z[j] + bias
                losses[i, j] = np.log1p(np.exp(-logit if labels[i] == labels[j] else logit))
            elif j in positives:
                others = sum(np.exp(scale * z[i] @ z[a]) for a in range(size) if a != i)
                losses[i, j] = -np.log(np.exp(scale * z[i] @ z[j]) / others) / len(positives)
    return losses


@pytest.mark.parametrize("form", ["per-sample", "joint-sigmoid", "joint-softmax"])
@pytest.mark.parametrize(
    ("score", "first", "normalize"),
    [  # the first chunk and the norm see the matrix alone, whatever it was made of
        ("learnability", "softmax", True),
        ("hard-learner", "softmax", True),
        ("easy-reference", "softmax", True),
        ("learnability", "uniform", False),
    ],
)
def test_jest_against_the_slow_loop(form, score, first, normalize):
    feats, losses = make(8, width=3, seed=4)
    losses = replaced(losses, labels=torch.tensor([0, 0, 1, 1, 0, 1, 0, 1]))
    learner, reference = losses.learner.numpy().astype(float), losses.reference.numpy().astype(float)
    zero = np.zeros(8)
    own = {"learnability": (learner, reference), "hard-learner": (learner, zero), "easy-reference": (zero, reference)}
    if form == "per-sample":
        ours, theirs = own[score]
        matrix = ours[:, None] - theirs[None, :]
    else:
        matrix = np.zeros((8, 8))
        if score != "easy-reference":
            matrix += pairwise(losses.learner_features, losses.labels, form, 4.0, -1.0)
        if score != "hard-learner":
            matrix -= pairwise(feats, losses.labels, form, 4.0, -1.0)
        np.fill_diagonal(matrix, own[score][0] - own[score][1])
    options = {"form": form, "score": score, "first": first, "normalize": normalize, "chunks": 2}
    strategy = begun("jest", {**options, "scale": 4.0, "bias": -1.0})
    times, counts = 400, np.zeros((4, 8))
    for _ in range(times):
        counts[range(4), strategy.select(feats, losses, 0.5).numpy()] += 1
    for seen, expected in zip(counts, times * slow_jest(matrix, 4, 2, first, normalize), strict=True):
        often = expected >= 5
        off = ((seen - expected)[often] ** 2 / expected[often]).sum()
        assert chi2.sf(off, often.sum() - often.all()) > 1e-4, (seen, expected)
        assert seen[~often].sum() <= expected[~often].sum() + 5 * (expected[~often].sum() + 1) ** 0.5


def test_jest_sharpens_as_picks_accumulate():
    """Collapse: without normalising, the last chunks are close to the top of what is left."""
    losses = BatchLosses(torch.linspace(0, 20, 200), torch.zeros(200))
    picks = begun("jest", {"first": "softmax", "chunks": 10}).select(None, losses, 0.25)
    assert set(range(160, 200)) <= set(picks.tolist())


def test_refusing_negative_features_in_begin():
    told = pool()
    told.features[3, 2] = -0.1
    with pytest.raises(UsageError, match="negative='shift'"):
        load("gstds", negative="refuse").begin(told)
