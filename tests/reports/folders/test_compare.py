"""Two folders side by side: what is paired, what is not, what is refused; in a terminal, as Markdown and as JSON."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parted import edit, on_machine, part, reseal, set_in
from rich.console import Console
from scipy import stats
from synthetic import write_results
from timed import write_timing

from selbench.reports.folders.compare import compare
from selbench.reports.records.folder import Results
from selbench.reports.render.publish import comparison_text, print_comparison, write_comparison

EFFECTS = {"gstds": 0.2, "rho": 1.0, "static": -0.4}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("a") / "ours", seeds=8, test_n=500, effects=EFFECTS)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The same matrix, where gstds is worse by two points, on fewer seeds."""
    changed = {"rho": 1.0, "gstds": -1.8, "static": -0.4}  # in another order, so with other noise
    primary = [f"gstds:{question}" for question in ("accuracy", "picking", "pays")]
    return write_results(tmp_path / "theirs", seeds=6, test_n=500, effects=changed, primary=primary)


def compared(a: Path, b: Path) -> dict[str, Any]:
    found = compare(Results.read(a), Results.read(b))
    return json.loads(json.dumps(found, allow_nan=False))


def row(comparison: dict[str, Any], label: str) -> dict[str, Any]:
    (found,) = (row for row in comparison["arms"] if row["label"] == label)
    return found


def accuracies(folder: Path, label: str) -> dict[int, float]:
    return {cell.seed: 100 * cell.accuracy for cell in Results.read(folder).cells if cell.arm_label == label}


def printed(comparison: dict[str, Any], **more: Any) -> str:
    stream = io.StringIO()
    print_comparison(comparison, Console(file=stream, width=80, **more))
    return stream.getvalue()


def test_the_same_folder_is_equal_to_itself(ours: Path) -> None:
    found = compared(ours, ours)
    assert not found["settings"] and not found["environment"] and not found["only_a"] and not found["only_b"]
    for item in found["arms"]:
        assert item["bit_equal"] == item["n_pairs"] == 8 and item["method"] == "paired"
        assert (item["difference"], item["ci_low"], item["ci_high"]) == (0.0, 0.0, 0.0)
        assert set(item["flops"].values()) == {1.0} and item["seconds"]["ratio"] == pytest.approx(1.0)
    assert found["contrasts"] and not any(item["changed"] or item["apart"] for item in found["contrasts"])


def test_the_same_arm_is_paired_by_seed(ours: Path, theirs: Path) -> None:
    found = row(compared(ours, theirs), "gstds")
    a, b = accuracies(ours, "gstds"), accuracies(theirs, "gstds")
    differences = np.array([b[seed] - a[seed] for seed in b])
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert found["method"] == "paired" and found["n"] == [8, 6] and found["n_pairs"] == 6
    assert found["difference"] == pytest.approx(differences.mean()) == pytest.approx(-2.0, abs=0.3)
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(list(expected))
    assert found["bit_equal"] == 0
    twin = row(compared(ours, theirs), "uniform")
    assert twin["bit_equal"] == twin["n_pairs"] == 6


def test_another_arm_of_the_same_name_is_two_samples(ours: Path, theirs: Path) -> None:
    key = row(compared(ours, theirs), "gstds")["dataset"] and next(
        arm.key for arm in Results.read(theirs).matrix.arms.values() if arm.label == "gstds"
    )
    file = theirs / "matrix.toml"
    file.write_text(file.read_text().replace(key, "f" * 16))
    for record in theirs.glob("cells/*.json"):
        reseal(record, lambda cell: cell.update(arm="f" * 16) if cell["arm"] == key else None)
    edit(theirs, lambda table: next(a for a in table["arms"] if a["label"] == "gstds").update(schedule="linear"))
    found = row(compared(ours, theirs), "gstds")
    a, b = (list(accuracies(folder, "gstds").values()) for folder in (ours, theirs))
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert found["method"] == "Welch" and found["n_pairs"] == 0 and found["differs"] == ["schedule"]
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(list(expected))
    assert "another arm: gstds on digits/holdout (schedule)" in " ".join(printed(compared(ours, theirs)).split())


def test_disjoint_seeds_are_two_samples_and_single_runs_have_no_interval(ours: Path, tmp_path: Path) -> None:
    labels = list(EFFECTS)
    a, b = (part(ours, tmp_path / name, seeds=seeds, labels=labels) for name, seeds in (("a", (0, 1)), ("b", (2, 3))))
    found = row(compared(a, b), "full")
    assert found["method"] == "Welch" and found["ci_low"] < found["difference"] < found["ci_high"]
    one = part(ours, tmp_path / "one", seeds=(1,), labels=labels)
    found = row(compared(a, one), "full")
    assert found["method"] is None and found["n_pairs"] == 1 and found["ci_low"] is None
    assert found["difference"] == 0.0 and found["bit_equal"] == 1, "of the pair alone"
    printed(compared(a, one))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_in("datasets", 0, "fingerprint", to="ab"), "content: d67c839095a71b03 and ab"),
        (None, "test images: 500 and 400"),
    ],
)
def test_unlike_data_are_never_paired_and_it_is_said(ours: Path, tmp_path: Path, change: Any, says: str) -> None:
    other = write_results(tmp_path / "o", seeds=8, test_n=500 if change else 400, effects=EFFECTS)
    found = compared(ours, edit(other, change) if change else other)
    assert {item["method"] for item in found["arms"]} == {"Welch"} and found["datasets"][0]["unlike"] == says
    assert "the data are not the same" in printed(found) and says in " ".join(printed(found).split())


def test_verdicts_that_changed_are_named(ours: Path, theirs: Path) -> None:
    found = compared(ours, theirs)
    changed = {(item["strategy"], item["question"]) for item in found["contrasts"] if item["changed"] and item["apart"]}
    assert ("gstds", "accuracy") in changed and ("rho", "accuracy") not in changed
    (item,) = (i for i in found["contrasts"] if (i["strategy"], i["question"]) == ("gstds", "accuracy"))
    assert item["a"]["verdict"] in ("superior", "non-inferior") and item["b"]["verdict"] == "inferior"
    assert item["a"]["n_pairs"] == 8 and item["b"]["n_pairs"] == 6
    lines = [line.split() for line in printed(found).splitlines()]
    assert any(line[:2] == ["gstds", "full"] and line[-2:] == ["inferior", "!!"] for line in lines if line)


def test_what_differs_and_what_only_one_has_is_listed(ours: Path, theirs: Path, tmp_path: Path) -> None:
    edit(theirs, set_in("datasets", 0, "margin", to=2.5))
    edit(theirs, set_in("learner", "width", to=64))
    for record in theirs.glob("cells/*.json"):
        reseal(record, lambda cell: cell["environment"].update(torch="2.11.0"))
    labels = ["gstds", "static"]
    other = part(theirs, tmp_path / "other", seeds=range(6), labels=labels)
    found = compared(ours, other)
    settings = {item["key"]: (item["a"], item["b"]) for item in found["settings"]}
    assert settings["datasets.digits.margin"] == ("1.0", "2.5") and settings["learner.width"] == ("16", "64")
    assert "seeds" in settings and "analysis.alpha" not in settings
    assert found["environment"] == [{"key": "torch", "a": "2.15.0", "b": "2.11.0"}]
    assert [item["label"] for item in found["only_a"]] == ["rho"] and not found["only_b"]
    assert "Only in A: rho on digits/holdout." in printed(found)


def test_seconds_are_compared_on_one_machine_alone(ours: Path, tmp_path: Path) -> None:
    labels = list(EFFECTS)
    slow = part(ours, tmp_path / "slow", seeds=range(8), labels=labels)
    found = row(compared(ours, on_machine(slow, "00ff")), "gstds")
    assert found["seconds"]["ratio"] == pytest.approx(3.0) and found["seconds"]["source"] == "ordinary cells"
    assert found["seconds"]["ci_low"] < 3.0 < found["seconds"]["ci_high"]
    text = printed(compared(ours, slow))
    assert "3.00\u00d7 i" in text and "Seconds are not compared" not in text
    away = compared(ours, on_machine(slow, "beef"))
    assert all(item["seconds"] is None for item in away["arms"])
    words = f"Seconds are not compared for {len(away['arms'])} of {len(away['arms'])} arms: machine type 00ff and beef."
    assert words in " ".join(printed(away).split())
    for record in slow.glob("cells/*.json"):
        reseal(record, lambda cell: cell["environment"].update(machine="00ff", threads=2))
    assert row(compared(ours, slow), "gstds")["seconds_refused"] == "threads 1 and 2"


def test_seconds_are_of_the_timing_pass_where_both_have_one(ours: Path, tmp_path: Path) -> None:
    labels = list(EFFECTS)
    a, b = (part(ours, tmp_path / name, seeds=range(8), labels=labels) for name in "ab")
    write_timing(a, slowness={"gstds": 1.2}, drift=0.0)
    assert row(compared(a, b), "gstds")["seconds"]["source"] == "ordinary cells", "a pass on one side alone"
    write_timing(b, slowness={"gstds": 0.6}, drift=0.0)
    found = row(compared(a, b), "gstds")["seconds"]
    assert found["source"] == "timing pass" and found["ratio"] == pytest.approx(0.5, rel=0.02)
    logs = [[math.log(t.seconds) for t in Results.read(folder).timings if t.arm_label == "gstds"] for folder in (a, b)]
    expected = stats.ttest_ind(logs[1], logs[0], equal_var=False).confidence_interval(0.95)
    assert [math.log(found["ci_low"]), math.log(found["ci_high"])] == pytest.approx(list(expected))


def test_an_arm_of_several_machines_has_no_seconds_to_compare(ours: Path, tmp_path: Path) -> None:
    mixed = part(ours, tmp_path / "mixed", seeds=range(8), labels=list(EFFECTS))
    reseal(sorted(mixed.glob("cells/*.json"))[0], lambda cell: cell["environment"].update(machine="beef"))
    refused = [item["seconds_refused"] for item in compared(ours, mixed)["arms"] if item["seconds"] is None]
    assert refused == ["B ran them on several machines"]


def test_nothing_in_common_is_said(ours: Path, tmp_path: Path) -> None:
    other = write_results(tmp_path / "o", datasets=("flowers",), seeds=2, test_n=50, effects=EFFECTS)
    found = compared(ours, other)
    assert found["arms"] == [] and len(found["only_a"]) == len(found["only_b"]) > 0
    assert "nothing to compare" in printed(found)
    comparison_text(found)


def test_the_terminal_keeps_to_its_width_and_its_encoding(ours: Path, theirs: Path) -> None:
    found = compared(ours, theirs)
    text = printed(found)
    assert max(map(len, text.splitlines())) <= 80 and "\x1b" not in text
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_comparison(found, Console(file=stream, width=80))
    stream.seek(0)
    plain = stream.read()
    assert "B - A" in plain and "\u2212" not in plain


def test_markdown_and_json_say_the_same(ours: Path, theirs: Path, tmp_path: Path) -> None:
    found = compare(Results.read(ours), Results.read(theirs))
    write_comparison(found, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == json.loads(json.dumps(found))
    text = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert text == comparison_text(found) and text.startswith("# A: ours (synthetic, ") and "| gstds |" in text
    widths = {
        line.count("|") for block in text.split("\n\n") for line in block.splitlines()[:1] if block.startswith("| arm")
    }
    assert widths == {9}


def test_names_are_text_everywhere(tmp_path: Path) -> None:
    hostile = "[red]<b>a|b\x1b[31m"
    folders = []
    for name in "ab":
        folder = write_results(tmp_path / name, seeds=2, test_n=50, effects={hostile: 0.0}, references=("*x*",))
        folders.append(edit(folder, set_in("datasets", 0, "title", to="<i>|title|")))
    found = compared(*folders)
    text = printed(found)
    assert "\x1b" not in text and "[red]<b>a|b" in text
    page = comparison_text(found)
    assert "<b>" not in page and "<i>" not in page and "*x*" not in page and "\x1b" not in page
