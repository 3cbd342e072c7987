"""The loop itself: pairing, isolation of streams, cadences, weights, ledger."""

from __future__ import annotations

import pytest
import torch

from selbench.harness.datasets.augment import Augment
from selbench.harness.datasets.samples import Samples
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Fixed
from selbench.harness.training.learner import ResNet8
from selbench.harness.training.numerics import Numerics
from selbench.harness.training.optimizer import one_cycle
from selbench.harness.training.trainer import Recipe, Trainer
from selbench.strategies import Pool, Selection, load
from selbench.strategies.errors import StrategyFault

N = 96


def samples(**signals):
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N, 1, 8, 8), dtype=torch.uint8, generator=g)
    return Samples(images, torch.arange(N) % 4, 4, signals)


def trainer(
    strategy=None,
    ratio=0.5,
    *,
    seed=1,
    passes=2.0,
    cost=None,
    pool=None,
    given=None,
    hold=False,
    numerics="float32",
    **recipe,
):
    pool = pool or samples()
    budget = {"passes": passes} if cost is None else {"cost": cost}
    pacer = Pacer(N, 32, "fixed-candidates", Fixed(ratio), hold=hold, **budget)
    net = ResNet8(4 if numerics == "float32" else 16)  # channels-last on a CPU takes no fewer
    model = net.build(1, 8, 4, torch.Generator().manual_seed(seed))
    if given is None and hasattr(strategy, "begin"):
        g = torch.Generator().manual_seed(9)
        strategy.begin(Pool(N, 4, pool.labels, torch.device("cpu"), g))
    recipe = {"lr": 0.05, **recipe}
    augment = Augment("shift", 8, [0.5], [0.3])
    return Trainer(pool, net, augment, pacer, Recipe(**recipe), seed, model, strategy, Numerics.of(numerics), given)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.model.state_dict().values()])


class All:
    """Keeps everything, by call."""

    needs = frozenset({"learner"})

    def select(self, feats, losses, ratio):
        return torch.arange(len(losses.index))


class Drawing(All):
    """Keeps everything and draws numbers from its own stream and from none."""

    def begin(self, pool):
        self.generator = pool.generator

    def select(self, feats, losses, ratio):
        torch.rand(100, generator=self.generator)
        return super().select(feats, losses, ratio)


def test_the_same_cell_twice_is_bit_equal_and_another_seed_is_not():
    runs = [trainer(load("uniform"), seed=s) for s in (1, 1, 2)]
    for run in runs:
        run.run()
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


def test_a_strategy_that_keeps_all_trains_as_full_does_whatever_it_draws_and_scores():
    """Scoring touches no running statistics, and a rule's draws do not shift the learner's stream."""
    runs = [trainer(None, 1.0), trainer(All(), 1.0), trainer(Drawing(), 1.0)]
    for run in runs:
        run.run()
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert torch.equal(weights(runs[0]), weights(runs[2]))
    assert runs[1].ledger.phases["score"].flops > 0


def test_scoring_in_train_mode_moves_the_running_statistics():
    quiet, loud = trainer(All(), 1.0), trainer(All(), 1.0, score_mode="train")
    quiet.run()
    loud.run()
    assert not torch.equal(quiet.model.stem[1].running_mean, loud.model.stem[1].running_mean)


def test_the_ledger_books_what_was_done():
    run = trainer(load("loss"), 0.25, passes=2.0)
    run.run()
    steps, k = 6, 8
    phases = run.ledger.phases
    assert run.pick_counts.steps == steps and run.pick_counts.counts == [[k, steps]]
    assert phases["train"].samples == steps * k and phases["train"].flops == steps * k * run.unit_train
    assert phases["score"].samples == steps * 32 and phases["score"].flops == steps * 32 * run.unit_forward
    assert phases["select"].flops == steps * load("loss").flops(32, 0, k)
    assert all(phases[name].seconds > 0 for name in ("data", "score", "select", "train"))
    assert run.ledger.total("flops") == sum(phases[p].flops for p in phases if p != "eval")


def test_a_rule_that_needs_no_learner_pays_for_no_scoring_and_augments_only_what_it_keeps():
    run = trainer(load("uniform"), 0.25)
    run.run()
    assert run.ledger.phases["score"].samples == 0
    assert run.ledger.phases["data"].samples == run.ledger.phases["train"].samples == 6 * 8


def test_a_rule_that_states_no_cost_has_it_counted():
    class Silent:
        needs = frozenset({"learner"})

        def select(self, feats, losses, ratio):
            return losses.learner.topk(losses.k).indices

    run = trainer(Silent(), 0.25)
    run.run()
    assert run.ledger.phases["select"].flops == 6 * 32 * 5  # top-k of 32: n log2 n


@pytest.mark.parametrize(("declared", "booked"), [(0.0, 160), (79.0, 160), (81.0, 81), (float("nan"), 160)])
def test_a_declared_cost_is_held_against_the_count(declared, booked):
    class Modest:
        needs = frozenset({"learner"})

        def select(self, feats, losses, ratio):
            return losses.learner.topk(losses.k).indices

        def flops(self, n, d, k):
            return declared

    run = trainer(Modest(), 0.25)
    run.run()
    assert run.ledger.phases["select"].flops == 6 * booked  # top-k of 32: n log2 n = 160
    if booked == declared:
        assert run.selector.understated is None
    else:
        assert run.selector.understated[1] == 160


class Prepares:
    """Does a matrix product in ``begin``, and hears of every training step."""

    needs = frozenset({"learner"})

    def begin(self, pool):
        torch.ones(16, 16) @ torch.ones(16, 16)

    def select(self, feats, losses, ratio):
        return torch.arange(losses.k)

    def observe(self, index, losses):
        losses * 2.0

    def flops(self, n, d, k):
        return 0.0


def test_what_a_rule_does_in_begin_and_observe_is_booked():
    pool = samples()
    given = Pool(N, 4, pool.labels, torch.device("cpu"), torch.Generator())
    run = trainer(Prepares(), 0.25, given=given)
    select = run.ledger.phases["select"]
    assert select.flops == 2 * 16**3 and select.seconds > 0
    run.run()
    steps, k, classes = 6, 8, 4
    # Log-softmax and picking out the loss cost something for each logit, and ``observe`` one operation a loss.
    assert 2 * 16**3 + steps * k * (classes + 1) <= select.flops <= 2 * 16**3 + steps * k * 20 * classes


def test_operators_without_a_formula_are_named():
    class Fourier(All):
        def select(self, feats, losses, ratio):
            torch.fft.fft(losses.learner)
            return super().select(feats, losses, ratio)

    run = trainer(Fourier(), 1.0)
    run.run()
    assert any("fft" in name for name in run.selector.uncounted)
    quiet = trainer(All(), 1.0)
    quiet.run()
    assert not quiet.selector.uncounted


def test_a_budget_in_flops_counts_scoring_and_selection():
    budget = 24 * 32 * trainer().unit_train
    runs = {name: trainer(load(name), 0.25, cost=budget) for name in ("uniform", "loss")}
    for run in runs.values():
        run.run()
        assert 0.95 * budget < run.ledger.total("flops") <= budget
    assert runs["uniform"].pick_counts.steps > 1.5 * runs["loss"].pick_counts.steps
    assert runs["loss"].optimizer.lr < 0.1 * 0.05  # decayed to the end


class Weighted:
    """Picks the first half with weights of which only the proportions matter."""

    def __init__(self, scale, mode):
        self.scale, self.weights_mode = scale, mode

    def select(self, feats, losses, ratio):
        weights = torch.linspace(1, 2, losses.k) * self.scale
        return Selection(torch.arange(losses.k), weights)


def test_relative_weights_cannot_change_the_learning_rate_and_raw_ones_do():
    small, large, raw = (trainer(Weighted(s, m)) for s, m in ((1, "relative"), (4, "relative"), (4, "raw")))
    for run in (small, large, raw):
        run.run()
    assert torch.equal(weights(small), weights(large))
    assert not torch.allclose(weights(small), weights(raw))


class Watcher:
    """Cadence epoch: notes what it is told, keeps the samples of highest last loss."""

    cadence = "epoch"
    needs = frozenset({"learner", "age"})

    def __init__(self):
        self.seen, self.observed = [], 0

    def observe(self, index, losses):
        self.observed += len(index)

    def select(self, feats, losses, ratio):
        self.seen.append((losses.learner.clone(), losses.age.clone()))
        return losses.learner.topk(round(ratio * N)).indices


def test_cadence_epoch_sees_the_whole_pool_with_the_losses_last_seen():
    rule = Watcher()
    run = trainer(rule, 0.5, passes=3.0, hold=True)
    run.run()
    (first, age0), (second, age1), _ = rule.seen
    assert len(rule.seen) == 3 and first.shape == (N,)
    assert torch.isinf(first).all() and (age0 == -1).all()
    assert torch.isfinite(second).sum() == N // 2 and ((age1 >= 0) == torch.isfinite(second)).all()
    assert age1.max() == 3  # three steps ago, at the first of the epoch
    assert rule.observed == run.pick_counts.trained == 9 * 16
    # Samples never seen have infinite loss, so the second epoch trains on the other half.
    assert (run.pick_counts.picks[torch.isinf(second)] >= 1).all()


def test_cadence_run_trains_on_one_subset():
    run = trainer(load("uniform", cadence="run"), 0.25, passes=8.0)
    run.run()
    picks = run.pick_counts.picks
    assert (picks > 0).sum() == N // 4 and picks.sum() == 8 * 24
    assert set(picks[picks > 0].tolist()) == {8}


class Odd:
    """Keeps numbers of its own."""

    cadence = "epoch"
    exact_count = False

    def __init__(self, *kept):
        self.kept = kept

    def select(self, feats, losses, ratio):
        return torch.arange(self.kept[losses.epoch])


def test_a_count_that_depends_on_the_data_sets_the_number_of_steps():
    run = trainer(Odd(N, 70, 31), 0.5, passes=3.0, hold=True)
    rates = []
    step = run.step
    run.step = lambda *given: (step(*given), rates.append(run.optimizer.lr))
    run.run()
    assert run.pick_counts.counts == [[32, 5], [31, 1]]
    assert run.pick_counts.candidates == 3 * N and run.ledger.phases["train"].samples == 5 * 32 + 31
    wanted = [one_cycle(p, 0.05, 0.2) for p in (0, 1 / 9, 2 / 9, 1 / 3, 1 / 2, 2 / 3)]
    assert rates == pytest.approx(wanted)
    assert run.done == {(32, 32): 6}
    # No image is trained on twice in a pass, and only those kept.
    assert run.pick_counts.picks.max() <= 3 and (run.pick_counts.picks[70:] == 1).all()


class Once(Odd):
    """The same, before training."""

    cadence = "run"


def test_a_subset_of_its_own_size_is_dealt_in_whole_batches_at_every_pass():
    run = trainer(Once(70), 0.5, passes=4.0)
    run.run()
    picks = run.pick_counts.picks
    assert run.pick_counts.counts == [[32, 8]] and run.pick_counts.candidates == 4 * N
    assert (picks[70:] == 0).all() and picks[:70].max() <= 4 and picks.sum() == 8 * 32


def test_one_image_kept_is_a_fault():
    with pytest.raises(StrategyFault, match="kept 1 of 96 images"):
        trainer(Odd(N, 1), 0.5, passes=2.0, hold=True).run()


def test_a_faulty_rule_fails_the_run():
    class Twice:
        def select(self, feats, losses, ratio):
            return torch.zeros(losses.k, dtype=torch.int64)

    with pytest.raises(StrategyFault, match="twice"):
        trainer(Twice()).run()


def test_signals_that_were_not_declared_are_not_there():
    class Greedy:
        def select(self, feats, losses, ratio):
            return losses.learner.topk(losses.k).indices

    with pytest.raises(StrategyFault, match=r"needs: .*declare needs"):
        trainer(Greedy()).run()


def test_cached_signals_come_in_the_candidates_order():
    class Checks:
        needs = frozenset({"features", "reference"})

        def select(self, feats, losses, ratio):
            assert torch.equal(feats[:, 0].long(), losses.index)
            assert torch.equal(losses.reference.long(), losses.index)
            assert torch.equal(losses.labels, losses.index % 4)
            return torch.arange(losses.k)

    ids = torch.arange(N).float()
    trainer(Checks(), pool=samples(features=ids[:, None].repeat(1, 3), reference=ids)).run()


@pytest.mark.parametrize("rule", [lambda: load("loss"), lambda: load("jest", form="joint-sigmoid"), Watcher])
def test_the_mixed_precision_loop_of_gpus_hands_rules_full_precision_and_trains(rule):
    """As on a GPU but for the device: bfloat16 autocast and channels-last memory."""
    features = torch.rand(N, 16, generator=torch.Generator().manual_seed(3))
    pool = samples(features=features, reference=torch.rand(N, generator=torch.Generator().manual_seed(4)))
    run = trainer(rule(), pool=pool, passes=3.0, hold=True, numerics="bf16")
    first = weights(run).clone()
    run.run()
    assert weights(run).dtype == torch.float32 and not torch.equal(first, weights(run))
    assert run.pick_counts.train_loss() is not None


def test_scores_are_full_precision_under_mixed_precision():
    class Looks(All):
        def select(self, feats, losses, ratio):
            assert losses.learner.dtype == torch.float32
            return super().select(feats, losses, ratio)

    trainer(Looks(), 1.0, numerics="bf16").run()


@pytest.mark.parametrize("of", ["uncertainty", "gradnorm", "divbs"])
def test_rules_on_the_learners_outputs_select_before_the_first_step(of):
    run = trainer(load("at", of=of), 0.5, passes=3.0, hold=True)
    run.run()
    # What was not trained on in the first pass is least known in the second, or weighs nothing.
    assert run.selections == 3 and run.pick_counts.trained == 9 * 16
