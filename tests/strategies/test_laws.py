"""Every law, for every registered strategy and every option of it."""

from __future__ import annotations

import inspect

import pytest

from selbench.harness.flops import count_selection
from selbench.strategies import UsageError, load
from selbench.strategies.registry import registry

from . import _laws
from ._inputs import BUILTIN, DETERMINISTIC, OPTIONS, VARIANTS, begun, label, make

BEGUN = [
    _laws.count_range_unique,
    _laws.large_batch,
    _laws.ratio_one_keeps_all,
    _laws.odd_losses,
    _laws.odd_features,
    _laws.inputs_untouched,
    _laws.global_randomness_untouched,
    _laws.same_stream_same_picks,
    _laws.needs_are_truthful,
    _laws.needs_are_used,
    _laws.state_round_trips,
]

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=label)


@each_variant
@pytest.mark.parametrize("law", BEGUN, ids=lambda law: law.__name__)
def test_law(law, variant):
    law(lambda: begun(*variant))


@each_variant
@pytest.mark.parametrize("law", [_laws.works_without_begin, _laws.repr_round_trips], ids=lambda law: law.__name__)
def test_law_without_begin(law, variant):
    law(lambda: load(variant[0], **variant[1]))


@each_variant
def test_features_of_either_sign(variant):
    name, options = variant
    if options.get("negative") != "refuse":
        return _laws.signed_features(lambda: begun(name, options))
    with pytest.raises(UsageError, match="negative='shift'"):
        _laws.signed_features(lambda: load(name, **options))


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v[0] in DETERMINISTIC and v[1].get("keep") != "random"], ids=label
)
def test_equivariance(variant):
    _laws.equivariant(lambda: begun(*variant))


@each_variant
def test_flops(variant):
    _laws.flops_are_honest(lambda: begun(*variant), lambda call: count_selection(call).flops)


@each_variant
def test_every_operation_has_a_formula(variant):
    strategy = begun(*variant)
    for size in (20, 200):
        assert not count_selection(lambda size=size: strategy.select(*make(size), 0.5)).unknown


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
