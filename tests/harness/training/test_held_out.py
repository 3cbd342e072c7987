"""Held-out signals and fresh scores: what a rule is shown, what it costs, and that a resumed run sees the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from selbench.harness.datasets.augment import Augment
from selbench.harness.datasets.samples import Samples
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Fixed
from selbench.harness.store.checkpoint_file import Checkpoint
from selbench.harness.training.learner import ResNet8
from selbench.harness.training.trainer import Recipe, Trainer
from selbench.strategies import Strategy, UsageError
from selbench.strategies.errors import StrategyFault
from selbench.strategies.interface import Traits

N, V = 96, 40
HELD_OUT = frozenset({"val_gradient", "val_features", "val_probs"})


def images(count, seed):
    pixels = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return Samples(pixels, torch.arange(count) % 4, 4, {})


class Follows(Strategy):
    """Picks by the held-out gradient, and keeps what it was shown."""

    needs = HELD_OUT | {"learner"}

    def __init__(self, interval=1, cadence="batch"):
        self.interval = self.val_interval = interval
        self.cadence, self.shown = cadence, []

    def pick(self, feats, losses, k):
        self.shown.append({name: value.clone() for name, value in (losses.held_out() | losses.signals()).items()})
        return losses.val_gradient[:, -1][losses.labels].topk(k).indices

    def flops(self, n, d, k):
        return 10.0 * n

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def trainer(strategy, val=None, passes=2.0):
    pool, net = images(N, 0), ResNet8(4)
    pacer = Pacer(N, 16, "fixed-candidates", Fixed(0.5), passes=passes, hold=strategy.cadence == "epoch")
    model = net.build(1, 8, 4, torch.Generator().manual_seed(1))
    augment = Augment("shift", 8, [0.5], [0.3])
    return Trainer(pool, net, augment, pacer, Recipe(lr=0.05), 1, model, strategy, val=val)


def gradient(run, val):
    """Of the mean loss of ``val`` with respect to the last layer, by automatic differentiation."""
    run.model.eval()
    loss = F.cross_entropy(run.model(run.augment.plain_view(val.images)), val.labels)
    weight, bias = torch.autograd.grad(loss, [run.model.head.weight, run.model.head.bias])
    run.model.train()
    return torch.cat([weight, bias[:, None]], 1)


@pytest.mark.parametrize("cadence", ["batch", "epoch"])
def test_a_rule_is_shown_the_gradient_of_val_as_it_was_at_the_last_look(cadence):
    val = images(V, 3)
    rule = Follows(2, cadence)
    run = trainer(rule, val, passes=4.0)
    expected, ask = [], run.selector.call

    def spied(*given):
        expected.append(gradient(run, val))
        return ask(*given)

    run.selector.call = spied
    run.run()
    assert len(expected) == len(rule.shown) == (24 if cadence == "batch" else 4)
    for at, shown in enumerate(rule.shown):
        assert torch.allclose(shown["val_gradient"], expected[at - at % 2], atol=1e-6)
        assert torch.equal(shown["val_labels"], val.labels) and shown["val_features"].shape == (V, 16)
        assert torch.allclose(shown["val_probs"].sum(1), torch.ones(V))
    looks = len(expected) // 2
    probe = run.ledger.phases["probe"]
    assert probe.samples == looks * V and probe.flops == looks * V * run.unit_forward and probe.seconds > 0


def test_looks_touch_nothing_but_the_ledger():
    class Ignores(Follows):
        def pick(self, feats, losses, k):
            return losses.learner.topk(k).indices

    class Blind(Ignores):
        needs = frozenset({"learner"})

    seeing, blind = trainer(Ignores(), images(V, 3)), trainer(Blind())
    seeing.run()
    blind.run()
    ours, theirs = seeing.model.state_dict(), blind.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert seeing.ledger.phases["score"].flops == blind.ledger.phases["score"].flops
    assert blind.ledger.phases["probe"].samples == 0


@pytest.mark.parametrize("val", [None, images(0, 0)])
def test_without_images_of_val_it_says_what_to_change(val):
    with pytest.raises(UsageError, match="Follows needs val_features and val_gradient and val_probs, but val is empty"):
        trainer(Follows(), val)


def test_a_resumed_run_is_shown_what_was_last_looked_at(tmp_path):
    whole, kept = trainer(Follows(4), images(V, 3)), []

    def keep(run):
        where = Checkpoint(tmp_path, str(run.count))
        where.write(run.state_dict(), {})
        kept.append(where)

    whole.run(on_step=keep)
    for at in (0, 3, 5, 8):
        other = trainer(Follows(4), images(V, 3))
        other.load_state_dict(kept[at].read({}, torch.device("cpu")))
        other.run()
        theirs, ours = whole.selector.strategy.shown[at:], other.selector.strategy.shown
        assert len(ours) == len(theirs)
        assert all(torch.equal(ours[i][name], theirs[i][name]) for i in range(len(ours)) for name in ours[i])
        ledgers = [{n: (a.flops, a.samples) for n, a in run.ledger.phases.items()} for run in (whole, other)]
        assert ledgers[0] == ledgers[1]


def test_writing_into_a_held_out_signal_is_the_rules_fault():
    class Writes(Follows):
        def pick(self, feats, losses, k):
            losses.val_gradient.zero_()
            return super().pick(feats, losses, k)

    with pytest.raises(StrategyFault, match="val_gradient"):
        trainer(Writes(), images(V, 3)).run()


def test_fresh_scores_are_the_learners_on_the_whole_pool_as_it_stands():
    rule = Follows(cadence="epoch")
    rule.needs = frozenset({"learner", "learner_probs", "learner_features", "age", "val_gradient"})
    rule.pool_scores, rule.select_every = "fresh", 2
    run = trainer(rule, images(V, 3), passes=5.0)
    expected, ask = [], run.selector.call

    def spied(*given):
        run.model.eval()
        with torch.no_grad():
            logits = run.model(run.augment.plain_view(run.samples.images))
        run.model.train()
        expected.append(F.cross_entropy(logits, run.samples.labels, reduction="none"))
        return ask(*given)

    run.selector.call = spied
    run.run()
    assert len(rule.shown) == 3  # of five epochs, every second
    for shown, losses in zip(rule.shown, expected, strict=True):
        assert torch.allclose(shown["learner"], losses, atol=1e-5) and not shown["age"].any()
        assert shown["learner_features"].shape == (N, 16)
    score = run.ledger.phases["score"]
    assert score.samples == 3 * N and score.flops == 3 * N * run.unit_forward


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"cadence": "run"}, "at cadence 'run' it picks before"),
        ({"val_interval": 0}, "val_interval is 0"),
        ({"val_images": 1.5}, "val_images is 1.5"),
        ({"select_every": 0}, "select_every is 0"),
        ({"pool_scores": "new"}, "none of 'remembered', 'refreshed'"),
    ],
)
def test_what_cannot_be_declared_is_refused(declared, message):
    rule = Follows()
    vars(rule).update(declared)
    with pytest.raises(UsageError, match=message):
        Traits.of(rule)


def test_refreshed_scores_are_those_of_training_and_of_what_was_left_out():
    rule = Follows(cadence="epoch")
    rule.needs, rule.pool_scores = frozenset({"learner", "age", "val_gradient"}), "refreshed"
    run = trainer(rule, images(V, 3), passes=3.0)
    expected, ask = [], run.selector.call

    def spied(*given):
        run.model.eval()
        with torch.no_grad():
            logits = run.model(run.augment.plain_view(run.samples.images))
        run.model.train()
        expected.append((F.cross_entropy(logits, run.samples.labels, reduction="none"), run.subset))
        return ask(*given)

    run.selector.call = spied
    run.run()
    assert rule.shown[0]["learner"].isinf().all()
    for shown, (losses, subset) in zip(rule.shown[1:], expected[1:], strict=True):
        hidden = torch.ones(N, dtype=torch.bool).index_fill(0, subset, False)
        assert torch.allclose(shown["learner"][hidden], losses[hidden], atol=1e-5) and not shown["age"][hidden].any()
        assert not torch.allclose(shown["learner"][~hidden], losses[~hidden], atol=1e-3)
        assert (shown["age"][~hidden] > 0).all()
    score = run.ledger.phases["score"]
    assert score.samples == run.pool_scored == 2 * N // 2 and score.flops == score.samples * run.unit_forward
