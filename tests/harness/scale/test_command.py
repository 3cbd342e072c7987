"""The whole command on a tiny workload, measured here."""

from __future__ import annotations

import json
import math
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w

from selbench.harness.cli import commands as cli
from selbench.harness.scale import operations
from selbench.harness.scale.check import feature_width, options_of
from selbench.harness.scale.command import ScaleRequest, scale
from selbench.strategies import UsageError


@pytest.fixture
def written(tiny, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(tomli_w.dumps(tiny))
    return path


@pytest.fixture(scope="module")
def once(tmp_path_factory, tiny_table, hasty_module):
    """What was predicted from measuring, and the profile saved of it."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "tiny.toml").write_text(tomli_w.dumps(tiny_table))
    request = ScaleRequest(str(folder / "tiny.toml"), device="cpu", save_profile=folder / "here.toml")
    return scale(request, lambda line: None), folder / "here.toml"


@pytest.fixture
def measured(once, tmp_path):
    """The same, the profile free to be changed."""
    table, saved = once
    return table, Path(shutil.copy(saved, tmp_path))


def test_the_table_is_whole_and_fit_for_json(measured, tiny):
    table, _ = measured
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert [entry["batch"] for entry in table["batches"]] == tiny["batch"]
    for entry in table["batches"]:
        assert [arm["label"] for arm in entry["arms"]] == ["full", "gstds", "loss", "static", "uniform"]
        full = entry["arms"][0]
        assert full["speed_up"]["marginal"] == {"seconds": 1, "flops": 1} and full["break_even"] is None
        for arm in entry["arms"]:
            phases = arm["phases"].values()
            assert arm["seconds"]["marginal"] == pytest.approx(sum(phase["seconds"] for phase in phases))
            assert arm["flops"]["marginal"] == pytest.approx(sum(phase["flops"] for phase in phases))
            for row in (arm, arm["artefacts"], *phases):
                assert re.fullmatch(r"measured|extrapolated \(from .+\)", row["basis"])
            assert arm["ceiling"]["flops"] >= arm["speed_up"]["marginal"]["flops"] * (1 - 1e-9)
    assert all(row["seconds_per_sample"] >= 0 for row in table["operations"])


def test_only_learner_rules_score_and_each_artefact_has_its_owner(measured):
    arms = {arm["label"]: arm for arm in measured[0]["batches"][0]["arms"]}
    assert [label for label, arm in arms.items() if arm["phases"]["score"]["seconds"]] == ["loss"]
    assert [label for label, arm in arms.items() if arm["artefacts"]["seconds"]] == ["gstds", "static"]


def test_what_was_measured_is_called_so_and_a_batch_beyond_is_not(measured, written, hasty, monkeypatch):
    assert {arm["basis"] for entry in measured[0]["batches"] for arm in entry["arms"]} == {"measured"}
    monkeypatch.setattr(operations, "PATIENCE", 1e-9)  # nothing but the smallest size
    arms = scale(ScaleRequest(str(written), device="cpu"), lambda line: None)["batches"][0]["arms"]
    assert {arm["basis"] for arm in arms} == {"extrapolated (from batch 2)"} or all(
        arm["basis"].startswith("extrapolated (from batch 2") for arm in arms
    )


def test_a_saved_profile_says_where_it_is_from_and_predicts_about_the_same(measured, written):
    table, path = measured
    profile = tomllib.loads(path.read_text())
    assert "torch" in profile["source"] and "ResNet-8" in profile["source"]
    stated = scale(ScaleRequest(str(written), profile=path), lambda line: pytest.fail("nothing is measured"))
    assert stated["device"]["kind"] == "profile"
    for before, after in zip(table["batches"][0]["arms"], stated["batches"][0]["arms"], strict=True):
        assert after["basis"] == f"extrapolated (from profile {profile['name']})"
        assert after["flops"] == pytest.approx(before["flops"])
        assert after["seconds"]["marginal"] == pytest.approx(before["seconds"]["marginal"], rel=0.5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": None}, "'source' is missing"),
        ({"source": "?"}, "source"),
        ({"speed": 3}, "unknown key 'speed'"),
        ({"train_flops_per_second": 0}, "greater than 0"),
        ({"select": {}}, "says nothing of select for 'gstds'"),
        ({"select": {"gstds": {"candidates": [8], "seconds": [1.0, 2.0]}}}, "equally many"),
    ],
)
def test_a_profile_without_its_figures_is_refused(measured, written, change, says):
    _, path = measured
    table = {key: value for key, value in (tomllib.loads(path.read_text()) | change).items() if value is not None}
    path.write_text(tomli_w.dumps(table))
    with pytest.raises(UsageError) as error:
        scale(ScaleRequest(str(written), profile=path), lambda line: None)
    assert says in str(error.value)


def test_select_without_a_table_is_priced_by_its_flops(measured, written):
    _, path = measured
    table = tomllib.loads(path.read_text()) | {"select": {}, "select_flops_per_second": 1e9, "select_overhead": 0.5}
    path.write_text(tomli_w.dumps(table))
    arms = {
        arm["label"]: arm
        for arm in scale(ScaleRequest(str(written), profile=path), lambda line: None)["batches"][0]["arms"]
    }
    loss = arms["loss"]
    assert loss["phases"]["select"]["seconds"] == pytest.approx(
        0.5 * loss["steps"] + loss["phases"]["select"]["flops"] / 1e9
    )


def test_operations_over_classes_and_the_learners_features_are_predicted(
    tiny, written, hasty, tmp_path, installed_plugin
):
    """What these rules do depends on C and h, which flops(n, d, k) is not told: 4 classes, and 16 features here.

    A plugin without flops is counted.
    """
    tiny["strategies"] = [
        {"name": "uncertainty"},
        {"name": "gradnorm", "options": {"bound": "last-layer"}},
        {"name": "divbs", "options": {"rounds": 1}},
        {"name": "uniform"},
    ]
    tiny["schedule"] = {"name": "fixed", "ratio": 0.5}
    written.write_text(tomli_w.dumps(tiny))
    counted, saved = tmp_path / "counted.toml", tmp_path / "here.toml"
    counted.write_text(tomli_w.dumps(tiny | {"strategies": [*tiny["strategies"], {"name": "every-other"}]}))
    for request in (
        ScaleRequest(str(counted), device="cpu", save_profile=saved),
        ScaleRequest(str(written), profile=saved),
    ):
        _, *arms = scale(request, lambda line: None)["batches"][0]["arms"]
        each = {arm["label"]: arm["phases"]["select"]["flops"] / arm["steps"] for arm in arms}
        assert all(arm["phases"]["select"]["seconds"] > 0 for arm in arms)
        n, classes, hidden = 16, 4, 16
        assert each["uncertainty"] - each["uniform"] == pytest.approx(n * classes * 3)
        assert each["gradnorm"] - each["uniform"] == pytest.approx(2 * n * (classes + hidden) + 8 * n + 3 * n / 2)
        assert each["divbs"] - each["uniform"] == pytest.approx(
            n * n * (2 * (classes + hidden) + 2) + 4 * n + n * math.log2(n)
        )


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ScaleRequest(None), "name a workload"),
        (ScaleRequest("quick", profile="a.toml", check="b"), "nothing is measured"),
        (ScaleRequest(None, check="nowhere", save_profile="a.toml"), "name the workload"),
        (ScaleRequest("quick", device="cuda:"), "is no device"),
    ],
)
def test_a_request_that_cannot_work_is_one_line(request_, says):
    with pytest.raises(UsageError, match=says):
        scale(request_, lambda line: None)


def test_predictions_are_held_against_a_results_folder(matrix_table, train, tmp_path, hasty, monkeypatch):
    train(matrix_table, tmp_path / "out")
    table = scale(ScaleRequest(None, device="cpu", check=tmp_path / "out"), lambda line: None)["check"]
    rows = {(row["label"], row["rung"]): row for row in table["rows"]}
    assert {label for label, _ in rows} >= {"full", "uniform", "full-all", "gstds", "static"}
    for row in rows.values():
        # FLOPs are arithmetic: they must be the ledger's own, whatever the machine does.
        assert row["flops"]["predicted"] == pytest.approx(row["flops"]["ledger"], rel=1e-9)
        assert row["ratio"] == pytest.approx(row["seconds"]["predicted"] / row["seconds"]["measured"])
        assert set(row["measured"]) == set(row["predicted"])
    assert not table["timed"] and "no timing pass" in table["notes"][-1]
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    assert "busy (load 99.0" in operations.busy()
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert not operations.busy()


@pytest.fixture
def matrix_table():
    return {
        "name": "tiny-check",
        "seeds": 1,
        "batch": 32,
        "buckets": 2,
        "ladder": [1.0],
        "budget": {"passes": 1},
        "learner": {"name": "resnet8", "width": 2},
        "proxy": {"passes": 1},
        "datasets": [{"name": "digits", "options": {"limit": 120, "test_limit": 20}, "holdout": 0.2}],
        "references": [{"name": "holdout", "options": {"passes": 1}}],
        "strategies": [{"name": "gstds"}, {"name": "static"}],
    }


def test_a_folder_without_results_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        scale(ScaleRequest(None, check=tmp_path, device="cpu"), lambda line: None)
    (tmp_path / "matrix.toml").write_text("name = 'x'")
    with pytest.raises(UsageError, match="no readable cells"):
        scale(ScaleRequest(None, check=tmp_path, device="cpu"), lambda line: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GSTDS(share=0.5, score='abs', steps=8)", {"share": 0.5, "score": "abs", "steps": 8}),
        ("Full()", {}),
        ("<object at 0x7f>", {}),
        ("Rule(a=open('x'))", {}),
    ],
)
def test_a_strategy_is_read_back_from_its_text(text, expected):
    assert options_of(text) == expected


def test_no_artefact_has_no_width(tmp_path):
    assert feature_width(tmp_path, ["missing"]) == 0


def test_the_command_writes_its_four_files(written, tmp_path, hasty, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = ["selbench", "scale", str(written), "--device", "cpu", "--strategy", "loss", "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*arguments, "--set", "batch=16"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert not leaving.value.code
    assert sorted(path.name for path in out.iterdir()) == ["scale.json", "scale.md", "scale.svg"]
    printed = capsys.readouterr().out
    assert "loss" in printed and "gstds" not in printed and "measured" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quik"], "did you mean 'quick'"),
        (["quick", "--strategy", "gtsds"], "did you mean 'gstds'"),
        (["quick", "--set", "bach=3"], "did you mean 'batch'"),
        (["quick", "--set", "batch=1"], "must lie between"),
        (["quick", "--profile", "/nowhere.toml"], "no such file"),
        ([], "name a workload"),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(arguments, says, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["selbench", "scale", *arguments])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    out, err = capsys.readouterr()
    assert leaving.value.code == 2 and says in err and err.count("\n") == 1 and "Traceback" not in out + err
