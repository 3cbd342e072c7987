"""Values that a rule's options do not have are refused in one line that says what there is."""

from __future__ import annotations

import dataclasses

import pytest

from selbench.strategies import UsageError, load
from selbench.strategies.registry import registry

from ._inputs import BUILTIN


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gstds", {"share": 1.5}, "share is 1.5"),
        ("gstds", {"eps": 0.0}, "eps is 0.0"),
        ("gstds", {"weighting": "invers"}, "did you mean 'inverse'"),
        ("fiedler", {"steps": 0}, "steps is 0"),
        ("fiedler", {"score": "absolute"}, "score cannot be 'absolute'"),
        ("fiedler", {"end": "hi"}, "did you mean 'high'"),
        ("fiedler", {"negative": "clamp"}, "negative cannot be 'clamp'"),
        ("degree", {"end": "lowest"}, "did you mean 'low'"),
        ("loss", {"end": "large"}, "did you mean 'largest'"),
        ("jest", {"chunks": 0}, "chunks is 0"),
        ("jest", {"form": "joint"}, "did you mean 'joint-s"),
        ("jest", {"score": "learnable"}, "did you mean 'learnability'"),
        ("jest", {"first": "random"}, "first cannot be 'random'"),
        ("static", {"keep": "medium"}, "keep cannot be 'medium'"),
        ("static", {"first": 3, "last": 3}, "first must be at least 0"),
        ("uniform", {"cadence": "step"}, "cadence cannot be 'step'"),
        ("bounded", {"lower": 0.0}, "lower is 0.0"),
        ("bounded", {"lower": 1.5}, "lower is 1.5"),
        ("bounded", {"upper": 0.9}, "upper is 0.9"),
        ("bounded", {"upper": float("inf")}, "upper is inf"),
        ("bounded", {"mode": "sof"}, "did you mean 'soft'"),
        ("bounded", {"score": "feature"}, "did you mean 'features'"),
        ("bounded", {"rank": 0}, "rank is 0"),
        ("calibrated", {"alpha": 1.5}, "alpha is 1.5"),
        ("calibrated", {"score": "el2"}, "did you mean 'el2n'"),
        ("calibrated", {"keep": "random"}, "keep"),
        ("ccs", {"strata": 0}, "strata is 0"),
        ("ccs", {"beta": 1.0}, "beta is 1.0"),
        ("ccs", {"score": "elan"}, "did you mean 'el2n'"),
        ("divbs", {"draw": "greed"}, "did you mean 'greedy'"),
        ("divbs", {"rounds": 0}, "rounds is 0"),
        ("forgetting", {"never": "inf"}, "did you mean 'inf"),
        ("forgetting", {"keep": "all"}, "keep"),
        ("infobatch", {"prune": "lo"}, "did you mean 'low'"),
        ("infobatch", {"anneal": 1.5}, "anneal is 1.5"),
        ("selective-backprop", {"beta": -1.0}, "beta is -1.0"),
        ("selective-backprop", {"beta": float("nan")}, "beta is nan"),
        ("selective-backprop", {"history": 0}, "history is 0"),
        ("spectral-oracle", {"score": "residuals"}, "did you mean 'residual'"),
        ("spectral-oracle", {"draw": "best"}, "draw cannot be 'best'"),
        ("spectral-oracle", {"power": -1.0}, "power is -1.0"),
        ("spectral-oracle", {"momentum": 1.0}, "momentum is 1.0"),
        ("spectral-oracle", {"floor": 0.0}, "floor is 0.0"),
        ("spectral-oracle", {"rank": 0}, "rank is 0"),
        ("herding", {"metric": "manhattan"}, "metric"),
        ("herding", {"cadence": "step"}, "cadence"),
        ("k-center", {"start": "medoid"}, "start"),
        ("k-center", {"metric": "manhattan"}, "metric"),
        ("k-center", {"cadence": "step"}, "cadence"),
        ("less-uniform", {"share": 1.5}, "share"),
        ("less-uniform", {"share": -0.1}, "share"),
        ("less-uniform", {"metric": "manhattan"}, "metric"),
        ("less-uniform", {"cadence": "step"}, "cadence"),
        ("moderate", {"centre": "mode"}, "centre"),
        ("moderate", {"window": "score"}, "window"),
        ("moderate", {"cadence": "step"}, "cadence"),
        ("facility-location", {"cadence": "step"}, "cadence"),
        ("aum", {"margin": "logit"}, "did you mean 'logits'"),
        ("uncertainty", {"score": "entropi"}, "did you mean 'entropy'"),
        ("gradnorm", {"bound": "last"}, "did you mean 'last-layer'"),
        ("jest", {"temperature": 0.0}, "temperature is"),
        ("jest", {"temperature": -1.0}, "temperature is"),
        ("jest", {"temperature": float("inf")}, "temperature is"),
        ("jest", {"temperature": float("nan")}, "temperature is"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(name, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        load(name, **options)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", BUILTIN)
def test_no_choice_and_no_interval_is_open(name):
    kind = registry("strategies").target(name)
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        wrong = "none of these" if "choices" in field.metadata else float("nan")
        if field.metadata:
            with pytest.raises(UsageError, match=f"{field.name} (cannot be|is nan: it must lie in)"):
                load(name, **{field.name: wrong})
