"""Can small runs be trusted: rankings of known likeness are found as such, and what is lacking is said."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from scipy import stats
from synthetic import write_results

from selbench.reports.questions import ANALYSES, Answer, Names, Quantity
from selbench.reports.questions.ranking import APART, CEILING, GAIN, KENDALL, PAIRS, REGRET, SCOPE, SPEARMAN, Ranking
from selbench.reports.records.folder import Cell, Results

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SHIPPED = tomllib.loads((BENCHMARKS / "matrices" / "study-7-gpu.toml").read_text())
OPTIONS = SHIPPED["studies"][0]["options"]
ENTRIES = tuple(entry["name"] for entry in SHIPPED["datasets"])
STANDARD, TENTH, HUNDREDTH = OPTIONS["proxies"]
LABELS = tuple(f"recipe-{number:02d}" for number in range(12))
RECIPES = ("full", "uniform", *LABELS)
NAMES = Names(ENTRIES, (), LABELS)
SEEDS = 4
Tables = Mapping[str, np.ndarray]
Change = Callable[[Cell], Cell | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Records of every recipe under the shipped matrix's four settings, the target's rates chosen on val."""
    path = write_results(
        tmp_path_factory.mktemp("ranking"), datasets=ENTRIES, effects=dict.fromkeys(LABELS, 0.0), seeds=SEEDS
    )
    read = Results.read(path)
    arms = {
        key: replace(arm, lr_from="val") if arm.dataset == "cifar10" else arm for key, arm in read.matrix.arms.items()
    }
    return replace(read, matrix=replace(read.matrix, arms=arms))


def made(folder: Results, tables: Tables, change: Change = lambda cell: cell) -> Results:
    """The records with accuracies in percent ``[recipes, seeds]`` by entry; ``change`` may drop or alter a cell."""
    places = {label: place for place, label in enumerate(RECIPES)}
    cells = []
    for cell in folder.cells:
        if cell.arm_label in places and cell.dataset in tables:
            value = tables[cell.dataset][places[cell.arm_label], cell.seed] / 100
            cell = replace(cell, accuracy=value, val_accuracy=1 - value)
        if (changed := change(cell)) is not None:
            cells.append(changed)
    return replace(folder, cells=tuple(cells))


def drawn(seed: int = 0, noise: float = 1.0, of: Mapping[str, float] | None = None) -> dict[str, np.ndarray]:
    """Accuracies whose true means have the correlations ``of`` with the target's, by entry."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=len(RECIPES))
    found = {}
    for entry in ENTRIES:
        rho = {"cifar10": 1.0, "proxy": 0.5, "proxy-tenth": 0.8, "proxy-hundredth": 0.95, **(of or {})}[entry]
        means = rho * truth + np.sqrt(1 - rho**2) * rng.normal(size=truth.size)
        found[entry] = 50 + 8 * means[:, None] + noise * rng.normal(size=(truth.size, SEEDS))
    return found


def answer(results: Results, **more: Any) -> Answer:
    return Ranking({**OPTIONS, **more}, NAMES).answer(results, {})


def quantity(found: Answer, name: str, strategy: str) -> Quantity:
    (one,) = (each for each in found.quantities if (each.name, each.strategy) == (name, strategy))
    return one


def test_the_analysis_is_known_and_the_claims_names_are_among_the_quantities(folder: Results) -> None:
    assert ANALYSES["ranking"] is Ranking
    claim = tomllib.loads((BENCHMARKS / "claims" / "proxy-ranking-images.toml").read_text())
    assert claim["matrix"] == SHIPPED["name"]
    names = {(q.name, q.dataset, q.strategy, q.rival) for q in answer(made(folder, drawn())).quantities}
    for test in claim["tests"]:
        assert (test["quantity"], test["dataset"], test["strategy"]["label"], test["rival"]["label"]) in names


def test_both_sizes_ask_the_same(folder: Results) -> None:
    small = tomllib.loads((BENCHMARKS / "matrices" / "study-7.toml").read_text())
    assert small["studies"] == SHIPPED["studies"] and small["strategies"] == SHIPPED["strategies"]
    assert [entry["name"] for entry in small["datasets"]] == list(ENTRIES)
    assert len(small["strategies"]) + 2 >= 20


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_the_recipes_means(folder: Results, seed: int) -> None:
    tables = drawn(seed)
    found = answer(made(folder, tables))
    target = tables["cifar10"].mean(1)
    for label, entry in OPTIONS["proxies"].items():
        proxy = tables[entry].mean(1)
        rho = quantity(found, SPEARMAN, label)
        assert rho.estimate == pytest.approx(stats.spearmanr(target, proxy).statistic)
        assert rho.low is not None and rho.high is not None and rho.low <= rho.estimate <= rho.high
        assert quantity(found, KENDALL, label).estimate == pytest.approx(stats.kendalltau(target, proxy).statistic)
        pairs = quantity(found, PAIRS, label).estimate
        assert pairs == pytest.approx((1 + stats.kendalltau(target, proxy).statistic) / 2)  # without ties
        assert quantity(found, REGRET, label).estimate == pytest.approx(target.max() - target[proxy.argmax()])
    gain = quantity(found, GAIN, HUNDREDTH)
    ours, first = (quantity(found, SPEARMAN, label).estimate for label in (HUNDREDTH, STANDARD))
    assert gain.rival == STANDARD and gain.estimate == pytest.approx(ours - first)


def test_a_perfect_proxy_and_its_reverse(folder: Results) -> None:
    tables = drawn(noise=0.1)
    tables |= {"proxy": tables["cifar10"] - 20, "proxy-tenth": 100 - tables["cifar10"]}
    found = answer(made(folder, tables))
    for label, rho in ((STANDARD, 1.0), (TENTH, -1.0)):
        assert quantity(found, SPEARMAN, label).estimate == pytest.approx(rho)
        assert quantity(found, KENDALL, label).estimate == pytest.approx(rho)
        assert quantity(found, APART, label).estimate == pytest.approx((1 + rho) / 2)
    assert quantity(found, REGRET, STANDARD).estimate == 0
    spread = np.ptp(tables["cifar10"].mean(1))
    assert quantity(found, REGRET, TENTH).estimate == pytest.approx(spread)


def test_the_ceiling_falls_with_noise_and_is_the_targets(folder: Results) -> None:
    ceilings = [
        quantity(answer(made(folder, drawn(2, noise))), CEILING, "tuned target").estimate for noise in (0.5, 8.0, 40.0)
    ]
    assert ceilings[0] > 0.98 and ceilings[0] > ceilings[1] > ceilings[2]


def test_intervals_hold_the_truth_of_a_known_population(folder: Results) -> None:
    """Normal scores: the population's Spearman correlation is 6/pi asin(rho/2), rho thinned by the noise of 4 seeds."""
    rho = 0.8 / (1 + (4.0 / 8) ** 2 / SEEDS)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    held = 0
    for seed in range(12):
        one = quantity(answer(made(folder, drawn(seed, noise=4.0))), SPEARMAN, TENTH)
        held += one.low <= truth <= one.high
    assert held >= 9


def test_the_sentence_says_what_was_found_and_what_it_is(folder: Results) -> None:
    found = answer(made(folder, drawn()))
    assert found.enough and "does not claim" in SCOPE
    said = f"CIFAR-10 (JPEG copy): {STANDARD} and tuned target rank 14 recipes with a Spearman correlation of ."
    assert found.sentence.startswith(said) and found.sentence.endswith("; the tables have the others.")
    assert "(4 seeds; noise between seeds allows .9" in found.sentence
    assert len(found.sentence.split()) <= 40
    assert SCOPE in found.notes and any("fewer than the 20" in note for note in found.notes)
    assert any("the same seeds" in note for note in found.notes)


def test_an_untuned_target_is_not_called_tuned(folder: Results) -> None:
    arms = {key: replace(arm, lr_from="declared") for key, arm in folder.matrix.arms.items()}
    found = answer(made(replace(folder, matrix=replace(folder.matrix, arms=arms)), drawn()))
    assert quantity(found, SPEARMAN, STANDARD).rival == "target" and "tuned target" not in found.sentence
    assert any("not all tuned" in note for note in found.notes)


def test_tables_and_charts_have_every_recipe(folder: Results) -> None:
    tables = drawn()
    found = answer(made(folder, tables))
    rankings, choices, recipes = found.tables
    for table in found.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert [row[0] for row in rankings.rows] == [row[0] for row in choices.rows] == list(OPTIONS["proxies"])
    order = np.argsort(-tables["cifar10"].mean(1))
    assert [row[0] for row in recipes.rows] == [RECIPES[place] for place in order]
    assert recipes.rows[0][1].endswith("(1)")
    scatter, level = found.charts
    assert [series.label for series in scatter.series] == list(OPTIONS["proxies"])
    assert all(len(series.x) == len(series.y) == len(RECIPES) for series in scatter.series)
    assert level.ticks == tuple(OPTIONS["proxies"]) and level.series[0].y[0] == pytest.approx(
        quantity(found, SPEARMAN, STANDARD).estimate
    )


def test_recipes_that_some_entry_lacks_are_left_out_and_named(folder: Results) -> None:
    tables = drawn()
    gone = made(folder, tables, lambda c: None if (c.dataset, c.arm_label) == ("proxy", LABELS[3]) else c)
    found = answer(gone)
    kept = [place for place, label in enumerate(RECIPES) if label != LABELS[3]]
    wanted = stats.spearmanr(tables["cifar10"].mean(1)[kept], tables["proxy-tenth"].mean(1)[kept]).statistic
    assert quantity(found, SPEARMAN, TENTH).estimate == pytest.approx(wanted)
    assert any(note.startswith("Left out") and LABELS[3] in note for note in found.notes)


def test_each_entry_is_read_at_the_seeds_that_all_recipes_have(folder: Results) -> None:
    tables = drawn()
    at = ("proxy", LABELS[3], 2)
    found = answer(made(folder, tables, lambda c: None if (c.dataset, c.arm_label, c.seed) == at else c))
    wanted = stats.spearmanr(tables["cifar10"].mean(1), tables["proxy"][:, [0, 1, 3]].mean(1)).statistic
    assert quantity(found, SPEARMAN, STANDARD).estimate == pytest.approx(wanted)
    assert found.enough and not any("the same seeds" in note for note in found.notes)


def test_one_seed_has_intervals_over_recipes_and_no_ceiling(folder: Results) -> None:
    found = answer(made(folder, drawn(), lambda c: c if c.seed == 0 else None))
    one = quantity(found, SPEARMAN, TENTH)
    assert not found.enough and "(1 seed)" in found.sentence and one.low is not None
    assert any("With one seed there is no ceiling" in note for note in found.notes)
    ceiling = quantity(found, CEILING, "tuned target")
    assert (ceiling.estimate, ceiling.low, ceiling.high) == (None, None, None)
    assert quantity(found, APART, TENTH).estimate is None


@pytest.mark.parametrize(
    "kept",
    [lambda c: False, lambda c: c.dataset != "proxy", lambda c: c.arm_label in RECIPES[:4], lambda c: c.seed == c.rank],
)
def test_too_little_is_said_to_be(folder: Results, kept: Callable[[Any], bool]) -> None:
    """Nothing, an entry without runs, four recipes, and recipes without a seed in common."""

    def change(cell: Cell) -> Cell | None:
        rank = RECIPES.index(cell.arm_label) % SEEDS if cell.arm_label in RECIPES else 0
        view = type("View", (), {**vars(cell), "rank": rank})
        return cell if kept(view) else None

    found = answer(made(folder, drawn(), change))
    assert not found.enough and found.sentence.startswith("No answer yet: ") and not found.quantities


def test_equal_scores_rank_nothing_and_nothing_breaks(folder: Results) -> None:
    flat = {entry: np.full((len(RECIPES), SEEDS), 50.0) for entry in ENTRIES}
    found = answer(made(folder, flat))
    assert quantity(found, SPEARMAN, STANDARD).estimate is None
    assert quantity(found, REGRET, STANDARD).estimate == 0


def test_proxies_may_be_ranked_by_val(folder: Results) -> None:
    """Val accuracies are made to rank the other way round; a run without one is left out."""
    tables = drawn()
    by_test, by_val = (answer(made(folder, tables), metric=metric) for metric in ("accuracy", "val accuracy"))
    ours, other = (quantity(found, SPEARMAN, TENTH).estimate for found in (by_test, by_val))
    assert other == pytest.approx(-ours)
    assert any("ranked by val" in note for note in by_val.notes)
    lost = made(folder, tables, lambda c: replace(c, val_accuracy=None) if c.arm_label == LABELS[0] else c)
    assert any(LABELS[0] in note for note in answer(lost, metric="val accuracy").notes)


def test_recipes_may_be_named(folder: Results) -> None:
    tables = drawn()
    found = answer(made(folder, tables), recipes=["full", *LABELS[:6]])
    rows = [0, *range(2, 8)]
    wanted = stats.spearmanr(tables["cifar10"].mean(1)[rows], tables["proxy"].mean(1)[rows]).statistic
    assert quantity(found, SPEARMAN, STANDARD).estimate == pytest.approx(wanted)


def test_recipes_of_the_same_images_are_told_from_the_others(folder: Results) -> None:
    """Six recipes pick the same images everywhere; the others pick half of the target's in the proxies."""
    own = set(RECIPES[6:])

    def change(cell: Cell) -> Cell:
        probe = np.zeros(40, dtype=np.uint16)
        probe[:20] = 3
        if cell.dataset != "cifar10" and cell.arm_label in own:
            probe = np.roll(probe, 10)
        wrong = {"wrong": (0.2, 0.31)}
        return replace(cell, picks=replace(cell.picks, probe=probe, probe_stride=1, spoiled=wrong))

    tables = drawn()
    rankings, _, recipes = answer(made(folder, tables, change)).tables
    rho = stats.spearmanr(tables["cifar10"].mean(1)[:6], tables["proxy"].mean(1)[:6]).statistic
    assert rankings.columns[-1] == "Spearman, the 6 recipes of the same images"
    assert rankings.rows[0][-1].removeprefix("−").startswith(f"{abs(rho):.2f}".removeprefix("0"))
    shares = {row[0]: row[-2] for row in recipes.rows}
    assert {shares[label].split("\u202f")[0] for label in own} == {"33"}
    assert {shares[label].split("\u202f")[0] for label in RECIPES[:6]} == {"100"}
    assert {row[-1].split("\u202f")[0] for row in recipes.rows} == {"31"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": "cifar"}, "did you mean 'cifar10'"),
        ({"target": None}, "'target' is missing: give the entry"),
        ({"proxies": None}, "'proxies' is missing: give a table"),
        ({"proxies": ["proxy"]}, "give a table"),
        ({"proxies": {}}, "give a table"),
        ({"proxies": {"small": "prox"}}, "did you mean 'proxy'"),
        ({"proxies": {"small": ["proxy"]}}, "give a table"),
        ({"proxies": {"small": "cifar10"}}, "entries of their own"),
        ({"proxies": {"small": "proxy", "again": "proxy"}}, "entries of their own"),
        ({"recipes": ["recipe-99"]}, "'recipe-99' is unknown"),
        ({"recipes": "full"}, "'recipes' = 'full' is wrong: give a list of names"),
        ({"metric": "val_accuracy"}, "did you mean 'val accuracy'"),
        ({"seeds": 3}, "option 'seeds' is unknown"),
    ],
)
def test_options_that_cannot_be_meant(change: dict[str, Any], said: str) -> None:
    options = {name: value for name, value in {**OPTIONS, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=said) as caught:
        Ranking(options, NAMES)
    assert "\n" not in str(caught.value)
