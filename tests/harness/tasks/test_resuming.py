"""The loop's own state: a trainer that takes over another's goes on as that one would have."""

from __future__ import annotations

import pytest
import torch

from selbench.harness.datasets.augment import Augment
from selbench.harness.datasets.samples import Samples
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Linear
from selbench.harness.store.checkpoint_file import Checkpoint
from selbench.harness.training.learner import ResNet8
from selbench.harness.training.trainer import Recipe, Trainer
from selbench.strategies import Pool, load

N = 96


def metered(trainer):
    """A price for each step and each selection of the pool, as reference seconds have it."""
    return 0.01 * sum(steps * (size + keep) for (size, keep), steps in trainer.done.items()) + trainer.selections


def trainer(name, **budget):
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N, 1, 8, 8), dtype=torch.uint8, generator=draw)
    samples, net, rule = Samples(images, torch.arange(N) % 4, 4, {}), ResNet8(4), load(name)
    return Trainer(
        samples,
        net,
        Augment("shift", 8, [0.5], [0.3]),
        Pacer(N, 16, "fixed-candidates", Linear(0.25, 0.75), buckets=4, hold=rule.cadence == "epoch", **budget),
        Recipe(lr=0.05),
        1,
        net.build(1, 8, 4, torch.Generator().manual_seed(1)),
        rule,
        pool=Pool(N, 4, samples.labels, torch.device("cpu"), torch.Generator().manual_seed(9)),
        meter=metered if "cost" in budget else None,
    )


def ended(run):
    """All that a run leaves but its seconds."""
    ledger = {phase: (account.flops, account.samples) for phase, account in run.ledger.phases.items()}
    return [tensor.tolist() for tensor in run.model.state_dict().values()], ledger, run.pick_counts.pace, run.done


class Left(Exception):
    """The run is left before a step."""


@pytest.mark.parametrize(
    "budget", [{"cost": 4.0}, {"steps": 11}, {"passes": 2.5}], ids=lambda budget: next(iter(budget))
)
@pytest.mark.parametrize("name", ["loss", "infobatch"])
def test_a_run_left_before_any_of_its_steps_goes_on(name, budget, tmp_path):
    whole = trainer(name, **budget)
    kept = []

    def keep(run):
        where = Checkpoint(tmp_path, str(run.count))
        where.write(run.state_dict(), {})
        kept.append(where)

    whole.run(on_step=keep)
    assert len(kept) == whole.pick_counts.steps > 6 and whole.progress == 1.0
    for where in kept[::3]:
        other = trainer(name, **budget)
        other.load_state_dict(where.read({}, torch.device("cpu")))
        assert other.progress == other._walk.current.progress < 1
        other.run()
        assert ended(other) == ended(whole)


def test_a_run_that_is_not_begun_stands_at_nothing():
    assert trainer("loss", steps=3).progress == 0.0
