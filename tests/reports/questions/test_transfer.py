"""Picks of another net: from folders with known truth, and trained small, where the other net is the same one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from asked import plain
from synthetic import write_results

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.harness.verify.folder import verify
from selbench.reports.questions import Answer, Names
from selbench.reports.questions.transfer import COST, OTHER, OWN, SHARED, TRANSFER, Transfer
from selbench.reports.records.folder import Results

TRUTH = {"el2n": -1.0, "by other": -4.0, "by like": -1.1}
NAMES = Names(("digits",), (), tuple(TRUTH))
PAIRS = {"by other": "el2n", "by like": "el2n"}

OTHER_NET = {"name": "resnet18", "width": 2}
PICKED = ["el2n", "same net", "other net", "own replay", "same replay", "other replay"]
TABLE: dict[str, Any] = {
    "name": "tiny",
    "seeds": 2,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "budget": {"passes": 1},
    "learner": {"name": "resnet8", "width": 4},
    "proxy": {"passes": 1},
    "datasets": [{"name": "digits", "options": {"limit": 200, "test_limit": 50}}],
    "strategies": [
        {"name": "el2n"},
        {"name": "el2n", "label": "same net", "proxy": {"learner": {"name": "resnet8", "width": 4}}},
        {"name": "el2n", "label": "other net", "proxy": {"learner": OTHER_NET, "passes": 2}},
        {"name": "proxy-replay", "label": "own replay", "options": {"width": 4}},
        {"name": "proxy-replay", "label": "same replay", "proxy": {"learner": {"name": "resnet8", "width": 4}}},
        {"name": "proxy-replay", "label": "other replay", "proxy": {"learner": OTHER_NET}},
    ],
    "analysis": {"primary": []},
}


def ask(folder: Path, pairs: dict[str, str], names: Names = NAMES) -> Answer:
    return plain(Transfer({"pairs": pairs}, names).answer(Results.read(folder), {}))


def made(folder: Path, **how: Any) -> Path:
    return write_results(folder, **{"effects": TRUTH, "references": ("holdout",), "primary": [], **how})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("transfer")
    request = RunRequest(out=out / "tiny", cache_dir=out / "cache", device="cpu", workers=1, executor="inline")
    assert not run(parse(TABLE), request).failed
    return out / "tiny"


def test_a_loss_by_another_nets_picks_is_found(tmp_path: Path) -> None:
    answer = ask(made(tmp_path), PAIRS)
    assert answer.enough and answer.sentence.endswith("(el2n, 8 seeds): worse than its own.")
    found = {(q.name, q.strategy): q for q in answer.quantities}
    for label in PAIRS:
        for name, truth in ((TRANSFER, TRUTH[label] + 1), (OTHER, TRUTH[label] + 0.5), (OWN, -0.5)):
            one = found[name, label]
            assert one.estimate == pytest.approx(truth, abs=0.6) and one.low < one.estimate < one.high and one.n == 8
            assert one.rival == "el2n"
    assert [row[:2] for row in answer.tables[0].rows] == [(label, "el2n") for label in PAIRS]
    assert [line.label for line in answer.charts[0].series] == ["less its own net's picks", "less random picks"]
    assert answer.charts[0].ticks == tuple(PAIRS)


def test_equivalence_is_told_by_the_margin_alone(tmp_path: Path) -> None:
    for margin, verdict in ((1.0, "interchangeable within 1 point."), (0.01, "which serves better is open.")):
        answer = ask(made(tmp_path / str(margin), margin=margin), {"by like": "el2n"})
        assert answer.sentence.endswith(verdict)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    one = ask(made(tmp_path / "one", seeds=1), PAIRS)
    assert one.sentence == "Digits: no answer yet, since no two seeds have both." and len(one.tables[0].rows) == 2
    none = ask(made(tmp_path / "none", seeds=2, missing=[("el2n", 0), ("el2n", 1)]), PAIRS)
    assert none.sentence == "No answer yet: no seed has a rule's picks by another net and by its own."


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ({"by othr": "el2n"}, "did you mean 'by other'"),
        ({"el2n": "el2n"}, "paired with itself"),
        ({}, 'such as { "el2n by resnet8" = "el2n" }'),
    ],
)
def test_wrong_pairs_are_refused_before_the_run(pairs: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Transfer({"pairs": pairs}, NAMES)


def test_the_same_net_as_proxy_picks_the_same_and_another_net_picks_others(trained: Path) -> None:
    pairs = {"same net": "el2n", "other net": "el2n", "same replay": "own replay", "other replay": "own replay"}
    answer = ask(trained, pairs, Names(("digits",), (), tuple(PICKED)))
    found = {(q.name, q.strategy): q.estimate for q in answer.quantities}
    for label in pairs:
        same = label.startswith("same")
        assert (found[SHARED, label] == 1.0) is (found[COST, label] == 1.0) is same
        if same:
            assert found[TRANSFER, label] == 0.0 and found[OTHER, label] == found[OWN, label]


def test_records_say_whose_picks_they_are_and_verify(trained: Path) -> None:
    found = verify(trained)
    assert found.sound, found.errors
    results = Results.read(trained)
    arms = {arm.label: arm for arm in results.arms(role="strategy")}
    assert arms["el2n"].proxy == {} and arms["own replay"].proxy == {}, "ids of arms without are what they were"
    assert arms["other net"].proxy == {"passes": 2.0, "learner": OTHER_NET}
    assert arms["other replay"].proxy == {"learner": OTHER_NET}
    files = [json.loads(file.read_text(encoding="utf-8")) for file in trained.glob("artefacts/*/meta.json")]
    assert sorted({meta["name"] for meta in files}) == [
        "loss on resnet18 (width 2)", "loss on resnet8 (width 4)", "loss on width 4", "proxy",
    ]  # fmt: skip
    codes = [set(meta["code"]) for meta in files if "resnet18" in meta["name"]]
    assert codes and all("learner resnet18" in code and "learner resnet8" not in code for code in codes)
