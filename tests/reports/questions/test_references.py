"""What the study of references finds in folders with known truth, and what it says where there is too little."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from asked import plain
from synthetic import write_results

from selbench.harness.plan.matrix import read
from selbench.reports.questions import ANALYSES, Answer, Names, Quantity
from selbench.reports.questions.references import References
from selbench.reports.records.folder import Results

QUALITY = {"tiny": 0.12, "noisy": 0.2, "foreign": 0.3, "weak": 0.35, "good": 0.5, "best": 0.65}
APART = {"shuffled": 0.1, "leak": 0.6}
EVERY = QUALITY | APART
SEEDS = 6
NAMES = Names(("digits",), tuple(EVERY), ("gstds", "rho"))
OPTIONS = {"none": ["shuffled"], "anomalies": ["leak"]}
SLOPE = 0.4
"""Points for each 10 points of accuracy."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("references") / "run"
    effects = {"gstds": 0.0, "rho": 0.0}
    return Results.read(write_results(folder, seeds=SEEDS, references=EVERY, effects=effects, test_n=40))


def truth(reference: str, off: float = 0.0) -> float:
    """Benefit in points: the line's, nothing for what knows nothing, ``off`` the line for the leak."""
    if reference == "shuffled":
        return 0.2
    return 1.0 + SLOPE * 10 * EVERY[reference] + (off if reference == "leak" else 0.0)


def known(
    base: Results,
    *,
    noise: float = 0.1,
    off: float = 0.0,
    scatter: float = 0.0,
    odd: float = 0.0,
    draw: int = 0,
    quality: dict[str, Any] | None = None,
    mark: str = "",
) -> Results:
    """The folder with every accuracy of gstds made from the truth, and the qualities of the references as given."""
    rng = np.random.default_rng(draw)
    quality = EVERY if quality is None else quality
    level = dict(zip(range(SEEDS), rng.normal(0.6, 0.01, SEEDS), strict=True))
    extra = {reference: scatter * rng.normal() for reference in EVERY}
    cells = []
    for cell in base.cells:
        accuracy = level[cell.seed]
        if cell.arm_label == "gstds":
            points = truth(cell.reference, off) + extra[cell.reference] + noise * rng.normal()
            accuracy += (points + odd * (cell.reference == "weak")) / 100
        cells.append(replace(cell, accuracy=float(accuracy)))
    artefacts = {}
    for id, made in base.artefacts.items():
        marked = mark if made.name == "leak" and made.kind == "reference" else made.external
        found = {"accuracy": quality[made.name]} if quality.get(made.name) is not None else {}
        artefacts[id] = replace(made, quality=found if made.kind == "reference" else {}, external=marked)
    own = {id: one for id, one in artefacts.items() if one.kind == "reference"}
    by_name = {one.name: id for id, one in own.items()}
    cells = [
        replace(cell, artefacts=(by_name[cell.reference],)) if cell.reference else cell for cell in cells
    ]  # a net trained here is an artefact of its own
    return replace(base, cells=tuple(cells), artefacts=artefacts)


def ask(results: Results, **options: Any) -> Answer:
    return plain(References(options or OPTIONS, NAMES).answer(results, {}))


def find(answer: Answer, name: str, rival: str = "", strategy: str = "gstds") -> Quantity:
    (found,) = [of for of in answer.quantities if (of.name, of.strategy, of.rival) == (name, strategy, rival)]
    return found


def remarks(answer: Answer) -> dict[str, tuple[str, ...]]:
    return {row[0]: row for row in answer.tables[0].rows}


def test_the_slope_is_found_and_covered(base: Results) -> None:
    inside = 0
    for draw in range(40):
        answer = ask(known(base, draw=draw, noise=0.3), strategies=["gstds"], **OPTIONS)
        found = find(answer, "benefit per 10 points of reference accuracy")
        assert found.n == SEEDS and found.low is not None and found.high is not None
        inside += found.low <= SLOPE <= found.high
    assert inside >= 33
    exact = find(ask(known(base, noise=0.0)), "benefit per 10 points of reference accuracy")
    assert exact.estimate == pytest.approx(SLOPE)


def test_what_each_reference_is_worth_and_how_much_that_varies(base: Results) -> None:
    answer = ask(known(base, noise=0.0))
    for reference, share in EVERY.items():
        assert find(answer, "benefit", reference).estimate == pytest.approx(truth(reference))
        assert find(answer, "reference accuracy", reference).estimate == pytest.approx(100 * share)
    line = [truth(name) for name in QUALITY]
    assert find(answer, "spread of the benefit over references").estimate == pytest.approx(np.std(line))
    assert find(answer, "range of the benefit over references").estimate == pytest.approx(max(line) - min(line))
    assert answer.sentence == (
        "Digits: gstds gains +0.40 points over random picks for each 10 points of accuracy of its reference "
        "(6 references, 6 seeds): better ones help more; the tables have the others."
    )
    row = remarks(answer)
    assert row["shuffled"][2].startswith("+0.20 (") and row["shuffled"][-1].startswith("knows nothing; ")


def test_a_leak_on_the_line_is_inside_and_one_off_it_is_not(base: Results) -> None:
    inside = ask(known(base, scatter=0.1, noise=0.05, off=0.0))
    outside = ask(known(base, scatter=0.1, noise=0.05, off=3.0))
    assert remarks(inside)["leak"][-1].endswith("] off the line, inside")
    assert remarks(outside)["leak"][-1].endswith("] off the line, outside")
    exact = find(ask(known(base, noise=0.0, off=2.5)), "distance from the line", "leak")
    assert exact.estimate == pytest.approx(2.5)
    below = ask(known(base, noise=0.05, scatter=0.1, off=-3.0))
    assert remarks(below)["leak"][-1].startswith("anomaly; \u2212")
    assert remarks(outside)["leak"][-1].startswith("anomaly; +")
    slopes = [find(one, "benefit per 10 points of reference accuracy").estimate for one in (inside, outside)]
    assert slopes[0] == pytest.approx(slopes[1]), "anomalies are left out of the line"


def test_a_reference_out_of_line_with_its_accuracy_is_flagged_and_others_are_not(base: Results) -> None:
    flagged = ask(known(base, noise=0.05, odd=4.0))
    strays = {name: row[-1] for name, row in remarks(flagged).items() if "out of line" in row[-1]}
    assert list(strays) == ["weak"] and strays["weak"].startswith("out of line with its accuracy; +3.98 [")
    calm = [ask(known(base, draw=draw, noise=0.1), strategies=["gstds"], **OPTIONS) for draw in range(20)]
    assert sum("out of line" in str(remarks(answer)) for answer in calm) <= 4


def test_what_a_record_calls_a_leak_is_one_whatever_the_options_say(base: Results) -> None:
    marked = known(base, mark="LEAK: trained on the test images and their labels too")
    answer = ask(marked, none=["shuffled"], anomalies=[])
    assert remarks(answer)["leak"][-1].startswith("LEAK: trained on the test images")
    unmarked = ask(known(base), none=["shuffled"], anomalies=[])
    assert "(7 references, " in unmarked.sentence and "(6 references, " in answer.sentence


def test_chart_and_table_show_every_reference(base: Results) -> None:
    answer = ask(known(base))
    chart, table = answer.charts[0], answer.tables[0]
    drawn = {series.label: len(series.x) for series in chart.series}
    assert drawn == {
        "references": 6,
        "without information": 1,
        "anomalies, no results": 1,
        "line through the references": 2,
    }
    for series in chart.series:
        assert len(series.x) == len(series.y) and len(series.low) in (0, len(series.x))
    assert [row[0] for row in table.rows] == sorted(EVERY, key=lambda name: -EVERY[name])
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(answer.tables) == 2 == len(ask(known(base), **OPTIONS).charts)
    assert len(ask(known(base), strategies=["rho"]).tables) == 1


def test_a_seed_without_one_of_the_references_is_left_out_of_the_line_alone(base: Results) -> None:
    results = known(base)
    kept = [cell for cell in results.cells if (cell.reference, cell.seed) != ("good", 2)]
    answer = ask(replace(results, cells=tuple(kept)))
    assert find(answer, "benefit per 10 points of reference accuracy").n == SEEDS - 1
    assert find(answer, "benefit", "best").n == SEEDS and find(answer, "benefit", "good").n == SEEDS - 1


def test_it_says_what_is_lacking(base: Results) -> None:
    results = known(base)
    one = replace(results, cells=tuple(cell for cell in results.cells if cell.seed == 0))
    said = ask(one)
    assert not said.enough and "needs 2 seeds that have every reference, and there is one" in said.sentence
    assert find(said, "benefit", "best").low is None
    two = ask(known(base, quality={"good": 0.5, "best": 0.6}))
    assert not two.enough and "a line needs 3 references with an accuracy and runs, and 2 have" in two.sentence
    alike = ask(known(base, quality=dict.fromkeys(EVERY, 0.5)))
    assert not alike.enough and "all of one accuracy" in alike.sentence
    empty = ask(replace(results, cells=()))
    assert not empty.enough and "none has" in empty.sentence and not empty.charts
    nowhere = Results(base.path, replace(base.matrix, arms={}), ())
    assert ask(nowhere).sentence == "No answer yet: no strategy here was run with a reference."


@settings(max_examples=20)
@given(st.data())
def test_whatever_is_missing_there_is_an_answer_and_no_number_that_is_none(base: Results, data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.integers(0, len(base.cells) - 1), max_size=len(base.cells)))
    odd = st.sampled_from([None, 0.0, 0.3, 1.0, float("nan")])
    quality = {name: data.draw(odd) for name in EVERY}
    results = known(base, quality=quality)
    results = replace(results, cells=tuple(cell for at, cell in enumerate(results.cells) if at not in lost))
    answer = ask(results)
    assert answer.sentence and "nan" not in answer.sentence
    for found in answer.quantities:
        assert found.estimate is not None and np.isfinite(found.estimate)
        assert all(end is None or np.isfinite(end) for end in (found.low, found.high))
    for chart in answer.charts:
        json.dumps([vars(series) for series in chart.series], allow_nan=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": ["gstds"]}, "option 'strategy' is unknown: did you mean 'strategies'?"),
        ({"strategies": ["gstd"]}, "strategies: 'gstd' is unknown: did you mean 'gstds'?"),
        ({"none": "shuffled"}, "option 'none' = 'shuffled' is wrong: give a list of names"),
        ({"anomalies": ["leaks"]}, "anomalies: 'leaks' is unknown: did you mean 'leak'"),
        ({"none": ["leak"]}, "'leak' is in none and in anomalies"),
    ],
)
def test_options_that_are_wrong_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        References(options, NAMES)


@pytest.mark.parametrize("name", ["study-4", "study-4-gpu"])
def test_the_shipped_matrices_ask_it(name: str) -> None:
    matrix = read(name)
    assert ANALYSES["references"] is References
    names = Names(
        tuple(entry.name for entry in matrix.datasets),
        tuple(entry.name for entry in matrix.references),
        tuple(entry.label or entry.name for entry in matrix.strategies),
    )
    (study,) = matrix.studies
    reader = References(study.options, names)
    assert reader.anomalies == ("leak",) and reader.none == ("shuffled",)
