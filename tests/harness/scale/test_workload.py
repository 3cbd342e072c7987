from __future__ import annotations

import pytest
import tomli_w

from selbench.harness.scale import workload as workloads
from selbench.harness.scale.networks import network
from selbench.harness.scale.workload import parse, read, rules_of, shipped
from selbench.strategies import UsageError


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_workload_reads_and_names_itself(name):
    workload = read(name)
    assert workload.name == name
    net = network(workload.learner, workload.channels, workload.resolution, workload.classes)
    assert 0 < net.forward < net.train
    assert len(rules_of(workload, [], workload.features or 2048)) == len(workload.strategies)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bach": 32}, "unknown key 'bach'; did you mean 'batch'?"),
        ({"reference": {"netwrk": "resnet50"}}, "did you mean 'network'"),
        ({"strategies": [{"name": "loss", "option": {}}]}, "did you mean 'options'"),
        ({"batch": 1}, "batch = 1 must lie between 2 and the pool's 200 images"),
        ({"batch": [16, 201]}, "batch = 201 must lie"),
        ({"batch": []}, "at least one candidate batch"),
        ({"images": 0}, "images: input should be greater than or equal to 2, but it is 0"),
        ({"passes": 0}, "passes"),
        ({"strategies": []}, "name at least one"),
        ({"strategies": [{"name": "loss"}, {"name": "loss"}]}, "two are labelled 'loss'"),
        ({"reference": {"passes": 3}}, "passes and images go together"),
        ({"schedule": {"name": "sigmod"}}, "did you mean 'sigmoid'"),
        ({"schedule": {"name": "fixed", "ratio": 2}}, "outside (0, 1]"),
        ({"passes": float("inf")}, "finite"),
        ({"augmentation": "flip"}, "augmentation"),
    ],
)
def test_what_cannot_work_is_one_line(tiny, change, says):
    with pytest.raises(UsageError) as error:
        parse(tiny | change)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_missing_key_is_named(tiny):
    del tiny["images"]
    with pytest.raises(UsageError, match="'images' is missing"):
        parse(tiny)


def test_settings_change_what_the_file_says(tiny, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(tiny))
    changed = read(str(path), ["batch=64", "reference.cached=false", "schedule.name=linear", "schedule.start=0.5"])
    assert changed.batches == [64] and not changed.reference.cached
    assert changed.schedule.parameters() == {"start": 0.5}
    for wrong, says in (("batch", "write key=value"), ("batch.0=3", "is no table"), ("btch=3", "did you mean 'batch'")):
        with pytest.raises(UsageError, match=says):
            read(str(path), [wrong])


def test_a_missing_or_damaged_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(UsageError, match="not a readable TOML file"):
        read(str(tmp_path / "bad.toml"))
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        read("cifar1")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], ["gstds", "loss", "static", "uniform"]),
        (["loss"], ["loss"]),
        (["rho", "gstds"], ["gstds", "rho"]),  # registered, though not in the file
    ],
)
def test_strategies_are_narrowed_or_added_by_name(tiny, asked, expected):
    assert [rule.label for rule in rules_of(parse(tiny), asked, 8)] == expected


def test_an_unknown_strategy_or_option_is_one_line(tiny):
    with pytest.raises(UsageError, match="did you mean 'gstds'"):
        rules_of(parse(tiny), ["gtsds"], 8)
    tiny["strategies"] = [{"name": "loss", "options": {"edn": "largest"}}]
    with pytest.raises(UsageError, match="did you mean 'end'"):
        rules_of(parse(tiny), [], 8)


def test_features_need_a_width(tiny):
    with pytest.raises(UsageError, match=r"reference\.network"):
        rules_of(parse(tiny), ["gstds"], 0)


def test_a_rule_at_cadence_run_gets_the_schedules_mean(tiny):
    (static,) = rules_of(parse(tiny), ["static"], 8)
    assert static.schedule.ratio(0.0) == static.schedule.ratio(1.0) == pytest.approx(0.53)
    assert static.reads_proxy and not static.scores


def named(name, **parameters):
    return workloads.Named(name=name, **parameters)


def test_torchvision_nets_cost_what_is_known_of_them():
    net = network(named("resnet50"), 3, 224, 1000)
    assert net.forward == pytest.approx(8.18e9, rel=0.005) and net.width == 2048
    assert 2.8 < net.train / net.forward < 3.0
    assert network(named("resnet18"), 3, 224, 1000).forward == pytest.approx(3.628e9, rel=0.001)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vit_b_16"])
def test_a_net_is_cut_before_its_last_layer(name):
    net = network(named(name), 3, 224, 7)
    assert net.build(True).head.out_features == 7


@pytest.mark.parametrize(
    ("spec", "channels", "resolution", "says"),
    [
        (named("resnet5"), 3, 64, "did you mean 'resnet50'"),
        (named("resnet50", width=3), 3, 64, "takes no parameters"),
        (named("resnet50"), 1, 64, "sees 3 channels"),
        (named("vit_b_16"), 3, 50, "indivisible by patch size"),
        (named("resnet18", widht=3), 3, 64, "did you mean 'width'"),
    ],
)
def test_a_net_that_cannot_be_is_one_line(spec, channels, resolution, says):
    with pytest.raises(UsageError) as error:
        network(spec, channels, resolution, 10)
    assert says in str(error.value) and "\n" not in str(error.value)
