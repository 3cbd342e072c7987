"""Lists in a strategy's entry: which are sweeps, the arms that they make, and what the rest of the suite sees of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal, Optional, Union

import pytest
from rich.console import Console

from selbench.harness.cli import plan_table
from selbench.harness.cli.asking import check_studies
from selbench.harness.plan import sweeps
from selbench.harness.plan.forecast import Inventory, forecast
from selbench.harness.plan.matrix import narrowed, parse
from selbench.harness.store.folder import Store
from selbench.strategies import UsageError
from selbench.strategies.registry import Registry, registry

RATIOS = {"name": "fixed", "ratio": [0.1, 0.5]}


def fixed(ratio: float) -> dict[str, object]:
    return {"name": "fixed", "ratio": ratio}


def test_lists_are_the_arms_that_could_be_written_by_hand(planned, tiny):
    tiny["strategies"] = [{"name": "ccs", "options": {"beta": [0.1, 0.3]}, "schedule": RATIOS}, {"name": "loss"}]
    short, (one, *_) = planned(tiny), parse(tiny).strategies
    rows = [(beta, ratio) for beta in (0.1, 0.3) for ratio in (0.1, 0.5)]
    tiny["strategies"] = [
        {"name": "ccs", "label": f"ccs beta={b} ratio={r}", "options": {"beta": b}, "schedule": fixed(r)}
        for b, r in rows
    ] + [{"name": "loss"}]
    assert short.arms == planned(tiny).arms and list(short.tasks) == list(planned(tiny).tasks)
    assert one.label == "ccs beta=0.1 ratio=0.1" and one == one.model_copy()


def test_a_label_is_the_prefix_and_tells_sweeps_apart(tiny):
    entry = {"name": "loss", "schedule": RATIOS}
    tiny["strategies"] = [entry, {**entry, "label": "second", "score_mode": "train"}, {"name": "gstds"}]
    matrix = parse({**tiny, "analysis": {"primary": ["second ratio=0.5:accuracy"]}})
    labels = ["loss ratio=0.1", "loss ratio=0.5", "second ratio=0.1", "second ratio=0.5"]
    assert [e.label for e in matrix.strategies] == [*labels, ""]
    assert [e.label for e in narrowed(matrix, ["second"], None).strategies] == labels[2:]
    assert [e.label for e in narrowed(matrix, ["loss"], None).strategies] == labels
    with pytest.raises(UsageError, match=r"two are labelled 'loss ratio=0\.1': give one another label"):
        parse({**tiny, "strategies": [entry, {**entry, "score_mode": "train"}]})


def test_lists_by_nature_stay_lists_and_lists_in_a_named_schedule_expand(tiny):
    steps = {"name": "step", "ratios": [0.25, 0.5], "at": [0.5]}
    shape = {"name": "budget-matched", "shape": {"name": "sigmoid", "start": [0.1, 0.3]}}
    tiny["strategies"] = [{"name": "loss", "schedule": steps}, {"name": "gstds", "schedule": shape}]
    plain, *swept = parse(tiny).strategies
    assert plain.label == "" and plain.schedule.parameters()["ratios"] == [0.25, 0.5]
    assert [(e.label, e.schedule.parameters()["shape"]["start"]) for e in swept] == [
        ("gstds start=0.1", 0.1), ("gstds start=0.3", 0.3),
    ]  # fmt: skip


class Plugin:
    def __init__(
        self,
        one: float,
        word: Literal["list", "set"],
        maybe: Optional[float],  # noqa: UP045
        several: Sequence[float],
        either: Union[float, list[float], None],  # noqa: UP007
        bare_needed,
        bare=0.5,
        bare_none=None,
        bare_list=(1, 2),
        **more,
    ) -> None: ...


class Unread:
    """A name of its annotations is known to type checkers alone."""

    def __init__(self, one: Missing | float, several: list[Missing]) -> None: ...  # noqa: F821


@pytest.mark.parametrize(
    ("plugin", "swept"), [(Plugin, ["one", "word", "maybe", "bare", "bare_none"]), (Unread, ["one"])]
)
def test_the_annotation_says_what_is_a_list_and_without_one_the_default(monkeypatch, plugin, swept):
    monkeypatch.setattr(Registry, "target", lambda self, name: plugin)
    names = registry("strategies").parameters("mine")
    assert [name for name in names if sweeps._takes_one("strategies", "mine", name)] == swept


def test_of_our_own_only_schedules_of_several_ratios_take_lists():
    found = {
        (name, key)
        for kind in ("strategies", "schedules")
        for name, (entry, *_) in registry(kind).found().items()
        if entry.builtin
        for key in registry(kind).parameters(name)
        if not sweeps._takes_one(kind, name, key)
    }
    assert found == {("bandit", "ratios"), ("replay", "counts"), ("step", "ratios"), ("step", "at")}


@pytest.mark.parametrize(
    ("options", "ratio", "says"),
    [
        ({"beta": [0.1]}, 0.5, "strategies.0.options.beta: a list is a sweep of two values or more, and this has 1"),
        ({"beta": []}, 0.5, "this has 0: name two, or leave the key out"),
        ({"beta": [0.1, 0.3, 0.1]}, 0.5, "options.beta: 0.1 is named twice"),
        ({"beta": [0.1, [0.2]]}, 0.5, "numbers, words or true and false, and [0.2] is none"),
        ({}, [0.5], "strategies.0.schedule.ratio: a list is a sweep"),
        ({"beta": [b / 20 for b in range(17)]}, [0.1, 0.2, 0.3], "its lists make 51 arms, and one entry takes 50"),
        ({"betta": [0.1, 0.3]}, [0.1, 0.5], ""),
    ],
)
def test_a_faulty_sweep_is_one_line_that_names_the_list(tiny, planned, options, ratio, says):
    tiny["strategies"] = [{"name": "ccs", "options": options, "schedule": fixed(ratio)}]
    with pytest.raises(UsageError) as caught:
        planned(tiny)
    assert (says or "no parameter 'betta'") in str(caught.value) and "\n" not in str(caught.value)


def test_a_sweep_asks_its_question_and_moves_no_identity(tiny):
    tiny["strategies"] = [
        {"name": "ccs", "options": {"beta": [0.1, 0.3]}, "schedule": RATIOS | {"ratio": [1, 0.5, 0.1]}}
    ]
    matrix = parse(tiny)
    (study,) = sweeps.studies(matrix.strategies)
    ratios = {value: f"ratio={value}" for value in (1, 0.5, 0.1)}
    assert study.question == "How does ccs depend on ratio?" and study.options == {
        "over": "ratio",
        "curves": {f"ccs {b}": {f"ccs {b} {text}": v for v, text in ratios.items()} for b in ("beta=0.1", "beta=0.3")},
    }
    check_studies(matrix.model_copy(update={"studies": [study]}))
    other = parse({**tiny, "strategies": [{"name": "loss"}]})
    assert matrix.identity({}) == other.identity({}) and not sweeps.studies(other.strategies)


def test_the_plan_shows_a_sweep_and_its_random_picks_as_one_row_each(planned, tiny, tmp_path):
    tiny["strategies"] = [{"name": "loss", "schedule": RATIOS, "ladder": True}, {"name": "gstds"}]
    matrix, plan = parse(tiny), planned(tiny)
    store = Store(tmp_path)
    expected = forecast(Inventory(plan, store), lambda task: None)
    rows = {g.name: g for g in plan_table._rows(expected.groups, plan_table._swept(matrix, plan))}
    assert {
        "loss, 2 arms",
        "loss, 2 arms, 0.5 of the budget",
        "random picks beside loss, 2 arms",
        "gstds, with holdout",
    } <= {*rows}
    assert rows["loss, 2 arms"].planned == 2 * len(matrix.seed_list()) == rows["loss, 2 arms"].todo
    assert sum(g.planned for g in rows.values()) == len(plan.tasks)
    text = io.StringIO()
    plan_table._print(expected, rows.values(), Console(file=text, width=200), store)
    assert "loss, 2 arms" in text.getvalue() and "ratio=0.1" not in text.getvalue()
