"""Names, their errors, and what batches say about missing signals."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint

import pytest
import torch

from selbench.strategies import BatchLosses, MissingSignal, Strategy, UsageError, keep_count, load
from selbench.strategies import registry as registry_module
from selbench.strategies.errors import did_you_mean, one_of
from selbench.strategies.registry import CALLED, Registry, registry


class FakeDistribution(Distribution):
    def __init__(self, name, version="1.0"):
        self._name, self._version = name, version

    @property
    def metadata(self):
        return {"Name": self._name, "Version": self._version}

    @property
    def name(self):
        return self._name

    @property
    def version(self):
        return self._version

    def read_text(self, filename):
        return None

    def locate_file(self, path):
        raise NotImplementedError


@pytest.fixture
def points(monkeypatch):
    """Entry points of the group, given as (name, target, distribution)."""

    def set_points(*rows):
        made = [
            EntryPoint(name, target, "selbench.strategies")._for(FakeDistribution(owner))
            for name, target, owner in rows
        ]
        monkeypatch.setattr(registry_module, "entry_points", lambda **_: made)
        return Registry("selbench.strategies")

    return set_points


def test_built_ins_are_entry_points():
    for name, target in (("gstds", "GSTDS"), ("uniform", "Uniform"), ("static", "Static")):
        entry = registry("strategies").entry(name)
        assert entry.builtin and entry.target.endswith(f":{target}")
        assert type(load(name)).__name__ == target


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match="no strategy named 'gstd'; did you mean 'gstds'"):
        load("gstd")
    with pytest.raises(UsageError, match=r"there is .*degree, .*fiedler"):
        load("zzzzzzzz")


def test_unknown_parameter_gets_the_nearest():
    with pytest.raises(UsageError, match="'gstds' has no parameter 'shar'; did you mean 'share'"):
        load("gstds", shar=0.3)


def test_clash_names_both_distributions(points):
    names = points(("mine", "a:A", "first-plugin"), ("mine", "b:B", "second-plugin"))
    with pytest.raises(UsageError, match=r"'mine' is registered twice, by first-plugin \(a:A\) and second-plugin"):
        names.entry("mine")
    assert names.describe()[0]["origin"] == "first-plugin 1.0 / second-plugin 1.0"
    assert "registered twice" in names.describe()[0]["error"]


def test_one_distribution_listed_twice_is_no_clash(points):
    names = points(("mine", "a:A", "plugin"), ("mine", "a:A", "plugin"))
    assert names.entry("mine").distribution == "plugin"


def test_plugin_that_does_not_import_is_listed_and_stops_nobody(points):
    names = points(
        ("broken", "no_such_module_here:A", "broken-plugin"),
        ("absent", "selbench.strategies.rules.uniform:Absent", "broken-plugin"),
        ("fine", "selbench.strategies.rules.uniform:Uniform", "good-plugin"),
    )
    rows = {row["name"]: row for row in names.describe()}
    assert "broken-plugin 1.0 cannot be imported: ModuleNotFoundError" in rows["broken"]["error"]
    assert "AttributeError" in rows["absent"]["error"]
    assert rows["fine"]["error"] == "" and rows["fine"]["summary"].startswith("A uniform random subset")
    assert repr(names.load("fine")) == "Uniform(cadence='batch')"
    with pytest.raises(UsageError, match="cannot be imported"):
        names.load("broken")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("os", r"'mine' of plug 1.0 is a module, and must be a class: write mine = \"os:.*\" in its entry points"),
        (
            "string:digits",
            r"'mine' of plug 1.0 is an instance of str, and must be a class: write mine = \"string:str\"",
        ),
        ("string:nothing", "'mine' of plug 1.0 cannot be imported: AttributeError"),
        ("no_such_module_here:A", "'mine' of plug 1.0 cannot be imported: ModuleNotFoundError"),
        ("builtins:range", r"'mine' does not say what parameters it takes: no signature found|refuses its parameters"),
        ("string:Template", "'mine' refuses its parameters: .*missing 1 required positional argument"),
    ],
)
def test_an_entry_point_that_names_no_strategy_is_one_line(points, target, says):
    with pytest.raises(UsageError, match=says) as caught:
        points(("mine", target, "plug")).load("mine")
    assert "\n" not in str(caught.value)
    (row,) = points(("mine", target, "plug")).describe()
    assert bool(row["error"]) == ("is a" in says or "imported" in says)


@pytest.mark.parametrize(("group", "method"), CALLED.items())
def test_a_class_of_another_group_is_named(monkeypatch, group, method):
    point = EntryPoint("mine", "builtins:object", f"selbench.{group}")._for(FakeDistribution("plug"))
    monkeypatch.setattr(registry_module, "entry_points", lambda **_: [point])
    with pytest.raises(UsageError, match=f"'mine' of plug has no method {method}: .* object under another group"):
        Registry(f"selbench.{group}").load("mine")


@pytest.mark.parametrize("group", ["selbench.strategy", "selbench.datasets"])
def test_a_name_in_a_wrong_group_is_found_there(monkeypatch, group):
    point = EntryPoint("mine", "a:A", group)._for(FakeDistribution("plug"))
    monkeypatch.setattr(registry_module, "entry_points", lambda group="", name="": [point] if name == "mine" else [])
    says = f"no strategy named 'mine': plug registers it under '{group}', and strategies belong under 'selbench.strat"
    with pytest.raises(UsageError, match=says):
        Registry("selbench.strategies").load("mine")


def test_listing_names_does_not_import(points):
    assert list(points(("z", "no_such_module_here:Z", "p"), ("a", "no_such_module_here:A", "p")).found()) == ["a", "z"]


def test_refused_parameters_keep_the_reason():
    with pytest.raises(UsageError, match="strategy 'gstds' refuses its parameters: share is 2"):
        load("gstds", share=2)


def test_did_you_mean():
    assert did_you_mean("lern", ["learner", "loss"]) == "; did you mean 'learner'?"
    assert did_you_mean("xyz", []) == "; there is none"
    with pytest.raises(UsageError, match="colour cannot be 'rad'; did you mean 'red'"):
        one_of("colour", "rad", ["red", "green"])
    one_of("colour", "red", ["red"])


def test_missing_signal_says_how_to_ask():
    losses = BatchLosses(torch.zeros(3))
    with pytest.raises(MissingSignal, match=r"no 'reference'; declare needs = \{'reference'\} on the strategy"):
        _ = losses.reference
    with pytest.raises(MissingSignal, match="no 'labels' or pass labels= to BatchLosses"):
        _ = losses.labels
    with pytest.raises(AttributeError, match=r"^nonsense$"):
        _ = losses.nonsense
    with pytest.raises(ValueError, match="BatchLosses is empty"):
        _ = BatchLosses().size


def test_keep_count():
    assert [keep_count(r, 10) for r in (0.01, 0.24, 0.26, 1.0)] == [1, 2, 3, 10]
    assert keep_count(0.25, 1) == 1
    for ratio in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="outside"):
            keep_count(ratio, 10)
    with pytest.raises(ValueError, match="empty"):
        keep_count(0.5, 0)


class Plain(Strategy):
    needs = frozenset({"features"})

    def pick(self, feats, losses, k):
        return torch.arange(k)


def test_base_checks_what_it_is_handed():
    with pytest.raises(ValueError, match="Plain needs the reference's features"):
        Plain().select(None, torch.zeros(4), 0.5)
    with pytest.raises(ValueError, match=r"shape \[4\]"):
        Plain().select(torch.zeros(4), torch.zeros(4), 0.5)
    with pytest.raises(ValueError, match="disagree on the number of candidates"):
        Plain().select(torch.zeros(5, 2), torch.zeros(4), 0.5)
    with pytest.raises(ValueError, match="outside"):
        Plain().select(torch.zeros(4, 2), torch.zeros(4), 1.5)
    assert Plain().select(torch.zeros(4, 2), BatchLosses(), 0.5).tolist() == [0, 1]


def test_base_says_what_a_subclass_lacks():
    class Empty(Strategy):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no pick"):
        Empty().select(None, torch.zeros(3), 0.5)
    with pytest.raises(NotImplementedError, match="Empty does not state its cost"):
        Empty().flops(1, 1, 1)
    assert repr(Empty()) == "Empty()"


@pytest.mark.parametrize(
    ("name", "options", "signal"),
    [
        ("uniform", {}, "frozen"),
        ("gstds", {}, "frozen"),
        ("jest", {}, "learner"),
        ("jest", {"score": "easy-reference"}, "frozen"),
        ("rho", {}, "learner"),
        ("static", {}, "frozen"),
    ],
)
def test_signal(name, options, signal):
    assert load(name, **options).signal == signal
