"""Every law of the conformance kit, for every registered strategy and every option of it; and what is asked beyond."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.harness.training.flops import count_selection
from selbench.strategies import Selection, UsageError, load
from selbench.strategies.registry import registry
from selbench.strategies.testing import Subject
from selbench.strategies.testing.checks import Checkup
from selbench.strategies.testing.conduct import on_a_gpu
from selbench.strategies.testing.subject import held_out

from ._inputs import BUILTIN, OPTIONS, VARIANTS, begun, label, make
from .test_no_sync import may_wait

TOGETHER: list[tuple[str, dict[str, Any]]] = [
    ("shuffled", {"of": "reversed", "options": {"of": "hybrid", "options": {"of": "gstds"}}}),
    ("hybrid", {"of": "shuffled", "other": "marginal", "options": {"of": "rho"}, "other_options": {"of": "degree"}}),
    ("at", {"of": "marginal", "cadence": "run", "options": {"of": "jest", "options": {"form": "joint-sigmoid"}}}),
    ("at", {"of": "bounded", "cadence": "batch"}),
    ("jest", {"chunks": 2, "temperature": 2.5}),
    ("jest", {"form": "joint-sigmoid", "temperature": 0.2}),
]
"""Rules inside rules, and options that might only err together."""

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=label)


def known(call):
    """The operations of a call, each of which the ledger has a formula for."""
    counter = count_selection(call)
    assert not counter.unknown
    return counter.flops


@pytest.mark.parametrize("variant", VARIANTS + TOGETHER, ids=label)
def test_laws(variant):
    """One test a variant: its laws share what was picked, and thousands of tests cost more than most laws."""
    subject = Subject.of(*variant, count=known)
    assert not [result for result in Checkup(subject).results() if result.verdict == "fail"]
    if variant in VARIANTS and not may_wait(variant):
        picks, waits = on_a_gpu(subject)
        assert not waits, "it waits for the device, which its cadence would allow"
        assert picks.indices.shape == (subject.kept(subject.scene(24), 0.25),)


@pytest.mark.parametrize("name", BUILTIN)
def test_any_size_and_ratio(name):
    subjects = [Subject.of(name, options) for variant, options in VARIANTS if variant == name]

    @settings(max_examples=20)
    @given(st.sampled_from(subjects), st.integers(1, 70), st.floats(0.01, 1.0), st.integers(0, 9))
    def law(subject: Subject, size: int, ratio: float, seed: int) -> None:
        at = subject.scene(size, seed=seed)
        picks = subject.fresh_picks(at, ratio).listed()
        assert len(picks) == (subject.kept(at, ratio) if subject.traits.exact_count else len(picks)) > 0
        assert len(set(picks)) == len(picks) and set(picks) <= set(range(size))

    law()


@each_variant
def test_without_begin_two_fresh_instances_agree(variant):
    """As in a notebook."""
    batch = make(40)
    picks = [load(variant[0], **variant[1]).select(*batch, 0.4) for _ in range(2)]
    first, second = (one.indices if isinstance(one, Selection) else one for one in picks)
    assert torch.equal(first, second)


@each_variant
def test_features_of_either_sign(variant):
    """Picks, or a refusal that names the way out."""
    name, options = variant
    feats, losses = make(40)
    losses = type(losses)(**{**losses.signals(), **held_out(feats.shape[1]), "learner_features": feats - 0.5})
    if options.get("negative") != "refuse":
        picks = begun(name, options).select(feats - 0.5, losses, 0.5)
        assert len(picks.indices if isinstance(picks, Selection) else picks)
        return
    with pytest.raises(UsageError, match="negative='shift'"):
        load(name, **options).select(feats - 0.5, losses, 0.5)


def test_every_rule_states_its_cost():
    """So that the law of flops holds its operations against formulas."""
    assert not [name for name, options in VARIANTS if not callable(load(name, **options).flops)]


def test_something_is_tested():
    assert {"full", "uniform", "gstds", "fiedler", "degree", "outlier", "jest", "loss", "rho", "static"} <= set(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_parameter_is_varied(name):
    parameters = inspect.signature(registry("strategies").target(name)).parameters
    varied = {key for options in OPTIONS.get(name, []) for key, value in options.items()}
    assert varied == set(parameters)


@pytest.mark.parametrize("name", BUILTIN)
def test_docstring_names_formula_source_cost(name):
    text = inspect.getdoc(registry("strategies").target(name))
    assert all(word in text for word in ("Formula:", "Source:", "Cost:"))
