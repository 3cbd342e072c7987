from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.harness.datasets.base import Images
from selbench.harness.datasets.loaded import LoadedData
from selbench.harness.plan.matrix import Matrix, narrowed, parse, read, shipped
from selbench.reports.statistics import fewest_pairs
from selbench.strategies import UsageError


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_matrix_reads_and_is_named_after_its_file(name):
    matrix = read(name)
    assert matrix.name == name
    # What declares nothing asks a study, or has too few seeds to decide a single contrast.
    assert matrix.analysis.primary or matrix.studies or len(matrix.seed_list()) < fewest_pairs(matrix.analysis.alpha)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"batchsize": 3}, "unknown key 'batchsize'; did you mean 'batch'"),
        ({"budget": {"pases": 3}}, "unknown key 'budget.pases'; did you mean 'passes'"),
        ({"datasets": [{"name": "digits", "holdut": 0.2}]}, "unknown key 'datasets.0.holdut'; did you mean 'holdout'"),
        ({"seeds": []}, "at least one seed"),
        ({"seeds": 0}, "at least one seed"),
        ({"seeds": [1, 1]}, "names a seed twice"),
        ({"strategies": []}, "name at least one"),
        ({"datasets": []}, "name at least one"),
        ({"budget": {}}, "exactly one of passes, steps, flops, seconds"),
        ({"budget": {"passes": 1, "steps": 2}}, "exactly one of passes, steps, flops, seconds"),
        ({"budget": {"flops": 1e9}}, 'account = "marginal"'),
        ({"budget": {"passes": 1, "account": "marginal"}}, "belongs to a budget in flops or seconds"),
        ({"analysis": {"pays": {"cost": "wall_clock"}}}, "need a timing pass"),
        ({"budget": {"passes": -1}}, "budget.passes"),
        ({"ladder": [0.5]}, "the whole"),
        ({"ladder": [0.0, 1.0]}, "shares of the budget"),
        ({"batching": "fixed"}, "batching"),
        ({"tuning": "random"}, "tuning"),
        ({"grid": {"seeds": 3}}, 'set tuning = "grid", or remove [grid]'),
        ({"tuning": "grid", "grid": {"factor": [1.0]}}, "unknown key 'grid.factor'; did you mean 'factors'"),
        ({"tuning": "grid", "grid": {"factors": [0.5, 2.0]}}, "with 1 among them"),
        ({"tuning": "grid", "grid": {"factors": [1.0]}}, "two or more different"),
        ({"tuning": "grid", "grid": {"factors": []}}, "two or more different"),
        ({"tuning": "grid", "grid": {"factors": [1.0, 1.0, 2.0]}}, "two or more different"),
        ({"tuning": "grid", "grid": {"factors": [0.0, 1.0]}}, "above 0"),
        ({"tuning": "grid", "grid": {"factors": [-1.0, 1.0]}}, "above 0"),
        ({"tuning": "grid", "grid": {"factors": [1.0, float("nan")]}}, "grid.factors.1"),
        ({"tuning": "grid", "grid": {"seeds": 0}}, "grid.seeds"),
        ({"analysis": {"interval": "bootstrap"}}, "'t' or 'sign-flip'"),
        ({"seeds": 8, "analysis": {"looks": [8, 12]}}, "the last look takes 12 seeds and seeds declares 8"),
        ({"seeds": 8, "analysis": {"looks": [8]}}, "two or more rising numbers of seeds"),
        ({"seeds": 8, "analysis": {"looks": [8, 8]}}, "two or more rising numbers of seeds"),
        ({"seeds": 8, "analysis": {"looks": [1, 8]}}, "from 2 up"),
        ({"analysis": {"spending": "pocock"}}, "no looks to spend alpha on"),
        ({"seeds": 8, "analysis": {"looks": [4, 8], "spending": "all"}}, "'equal', 'pocock' or 'obrien-fleming'"),
        ({"strategies": [{"name": "loss", "ladder": [0.5]}]}, "strategies.0.ladder"),
        ({"name": "../elsewhere"}, "name: string should match"),
        ({"name": "../../up"}, "name: string should match"),
        ({"name": "/absolute"}, "name: string should match"),
        ({"name": "nul\x00"}, "name: string should match"),
        ({"name": ".."}, "name: string should match"),
        ({"name": "line\n"}, "name: string should match"),
        ({"name": "folder/name"}, "name: string should match"),
        ({"seeds": 10**9}, "more than the 1,000,000"),
        ({"seeds": [2**60]}, "the last one"),
        ({"strategies": [{"name": "loss"}, {"name": "loss"}]}, "labelled 'loss'"),
        ({"datasets": [{"name": "mine", "spec": "imagefolder:x"}]}, "no margin"),
        ({"analysis": {"primary": ["gstd:accuracy"]}}, "did you mean 'gstds'"),
        ({"analysis": {"primary": ["gstds:speed"]}}, "must end in one of"),
        ({"analysis": {"primary": ["gstds:accuracy"] * 2}}, "named twice"),
        ({"analysis": {"primary_datasets": ["digit"]}}, "no [[datasets]] entry 'digit'; did you mean 'digits'"),
        ({"analysis": {"primary_references": ["flowers"]}}, "no [[references]] entry 'flowers'"),
    ],
)
def test_a_faulty_matrix_is_one_line_that_says_what_to_change(tiny, change, says):
    with pytest.raises(UsageError) as caught:
        parse({**tiny, **change})
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_looks_say_how_many_seeds_there_are_and_the_first_is_run(tiny):
    fixed = parse({**tiny, "seeds": 12})
    del tiny["seeds"]
    matrix = parse({**tiny, "analysis": {"looks": [4, 8, 12]}})
    assert matrix.seed_list() == list(range(12)) == parse({**tiny, "seeds": 12}).seed_list()
    assert narrowed(matrix, [], None).seed_list() == [0, 1, 2, 3]
    assert narrowed(matrix, [], 8).seed_list() == list(range(8)) and narrowed(fixed, [], None).seeds == 12
    other = parse({**tiny, "analysis": {"looks": [4, 8, 12], "spending": "pocock"}})
    assert len({fixed.identity({}), matrix.identity({}), other.identity({})}) == 3


def test_a_missing_key_is_named(tiny):
    del tiny["budget"]
    with pytest.raises(UsageError, match="'budget' is missing"):
        parse(tiny)


def test_settings_are_changed_by_dotted_keys():
    matrix = read("quick", ["budget.passes=3", "learner.width=4", "datasets.0.val=0.2", "title=Mine"])
    assert (matrix.budget.passes, matrix.learner.parameters(), matrix.datasets[0].val, matrix.title) == (
        3, {"width": 4}, 0.2, "Mine",
    )  # fmt: skip
    assert read("quick", ["budget.steps=5"]).budget.passes is None
    assert read("quick", ["tuning=grid", "grid.factors=[1, 3]"]).tuned()["factors"] == [1.0, 3.0]
    costs = read("quick", ["budget.flops=1e12", "budget.account=marginal"]).budget
    assert (costs.passes, costs.flops, costs.cost, costs.account) == (None, 1e12, 1e12, "marginal")


@pytest.mark.parametrize("text", ["budget", "=3", "budget.passes.more=3", "datasets.val=1", "nonsense=1"])
def test_a_setting_that_leads_nowhere_is_refused(text):
    with pytest.raises(UsageError):
        read("quick", [text])


def test_a_data_set_can_be_loaded_from_elsewhere_under_its_name():
    matrix = read("quick", datasets=["digits=imagefolder:/somewhere"])
    assert matrix.datasets[0].name == "digits" and matrix.datasets[0].spec == "imagefolder:/somewhere"
    images = Images(*[torch.zeros(1)] * 4, ("a",), note="JPEG files (lossy)", title="somewhere")
    loaded = LoadedData(matrix.datasets[0], images, "", 32, "none", 0)
    assert loaded.title == "somewhere", "the matrix's title is that of another set"
    assert narrowed(matrix, [], 1).datasets[0]._replaced and not read("quick").datasets[0]._replaced
    same = read("quick", ['datasets.0.spec="imagefolder:/somewhere"'])
    assert matrix.identity({}) == same.identity({}), "it is no part of it"
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        read("quick", datasets=["digit=imagefolder:x"])


def test_an_unknown_matrix_gets_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        read("quik")
    with pytest.raises(UsageError, match="no such file"):
        read(str(tmp_path / "none.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("name = [")
    with pytest.raises(UsageError, match="not a readable TOML"):
        read(str(broken))


def test_identity_is_the_settings_and_contents_not_the_place_or_the_request(tiny):
    base = parse(tiny)
    here = parse({**tiny, "datasets": [{**tiny["datasets"][0], "spec": "imagefolder:/a"}]})
    moved = parse({**tiny, "datasets": [{**tiny["datasets"][0], "spec": "imagefolder:/b"}]})
    assert here.identity({"d": "1"}) == moved.identity({"d": "1"}) != here.identity({"d": "2"})
    assert base.identity({}) == parse({**tiny, "seeds": 5, "strategies": [{"name": "loss"}]}).identity({})
    assert base.identity({}) != parse({**tiny, "batch": 16}).identity({})
    assert base.identity({}) != parse({**tiny, "analysis": {"alpha": 0.1}}).identity({})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([*Matrix.model_fields, "nonsense"])


@settings(max_examples=100)
@given(changes=st.dictionaries(keys, json, max_size=4))
def test_whatever_is_written_in_a_matrix_it_is_read_or_refused_in_one_line(tiny, changes):
    try:
        parse({**tiny, **changes})
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = " + "9" * 5000, "4300 digits"),
        ("seeds = 0x" + "f" * 5000, "a whole number of 20000 bits; there is room for 64"),
        ("seeds = [2, 9223372036854775808]", "a whole number of 64 bits"),
        ("seeds = " + "[" * 5000, "nested too deep"),
        ("title = 1979-05-27", "1979-05-27 is a date or a time"),
        ("[[datasets]]\noptions = {x = [[07:32:00]]}", "07:32:00 is a date or a time"),
        ("title = '\udc80'", "not a readable TOML file"),
        ("title = 'a\x00b'", "not a readable TOML file"),
    ],
)
def test_a_file_that_no_record_can_hold_is_one_line(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        read(str(path))
    assert str(path) in str(caught.value) and says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["1979-05-27", "0x" + "f" * 20, "9" * 5000, "[" * 5000])
def test_a_setting_that_no_record_can_hold_is_one_line(value):
    with pytest.raises(UsageError, match="--set seeds: no value that a matrix can hold"):
        read("quick", [f"seeds={value}"])
