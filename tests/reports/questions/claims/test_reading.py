"""Claim files are read strictly, and a bad one is one line that says why."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from selbench.reports.questions.claims import schema
from selbench.reports.questions.claims.reading import ClaimError, parse, read, read_claims, shipped
from selbench.reports.questions.claims.schema import Claim

BASIC: dict[str, Any] = {
    "id": "a-claim",
    "title": "A title",
    "statement": "A statement.",
    "matrix": "quick",
    "source": {"paper": "A paper"},
    "conditions": {"learner": {"width": 64}, "datasets": {"digits": {"classes": 10}}},
    "tests": [
        {
            "dataset": "digits",
            "strategy": {"name": "gstds"},
            "baseline": "full",
            "metric": "accuracy",
            "hypothesis": "non-inferior",
        }
    ],
}
COSTLY = {"metric": "cost ratio", "hypothesis": "at least", "bound": 4.0, "account": "marginal", "cost": "total_flops"}


def table(*, test: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(BASIC) | changes
    if test is not None:
        made["tests"] = [{key: v for key, v in (BASIC["tests"][0] | test).items() if v is not None}]
    return made


def test_the_example_of_the_documentation_is_a_claim() -> None:
    code = schema.__doc__.split(".. code-block:: toml")[1].split("A claim out of scope")[0]
    assert parse(tomllib.loads(code)).kind == "any"


def test_a_claim_reads() -> None:
    claim = parse(BASIC)
    assert claim.kind == "all" and claim.cases == ((0,),) and claim.tests[0].strategy.rung == 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"titel": "x"}, "unknown key 'titel': did you mean 'title'?"),
        ({"conditions": {"learner": {"widht": 64}}}, "unknown key 'conditions.learner.widht': did you mean 'width'?"),
        (
            {"conditions": {"datasets": {"digits": {"clases": 10}}}},
            "unknown key 'conditions.datasets.digits.clases': did you mean 'classes'?",
        ),
        ({"kind": "every"}, "kind: 'every' is not one of all, any"),
        ({"id": "No Spaces"}, "id: "),
        ({"source": {}}, "'source.paper' is missing: add it"),
        ({"conditions": {"learner": {"width": "64"}}}, "conditions.learner.width: input should be a valid integer"),
        ({"matrix": ""}, "name the matrix that runs it, or say in needs what is lacking"),
        ({"tests": []}, "at least one [[tests]]"),
        ({"scope": "out"}, "reason says why"),
        ({"reason": "no reason"}, "reason says why"),
        ({"conditions": {"datasets": {"pets": {}}}}, "no test is on pets"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse(table(**changes))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ({"rival": {"name": "jest"}}, "either baseline or rival"),
        ({"baseline": None}, "either baseline or rival"),
        (
            {"baseline": "ful"},
            "tests.0.baseline: 'ful' is not one of full, uniform, twin, cost twin, full ladder, uniform ladder",
        ),
        ({"metric": "acuracy"}, "did you mean 'accuracy'?"),
        ({"hypothesis": "steadier"}, "does not go with metric 'accuracy'"),
        ({"hypothesis": "at least"}, "bound belongs to"),
        ({"bound": 3.0}, "bound belongs to"),
        ({"hypothesis": "superior", "margin": 1.0}, "margin belongs to"),
        ({"margin": 0.0}, "tests.0.margin: "),
        ({"cost": "total_flops"}, "account and cost belong together"),
        ({"baseline": "full ladder"}, "account and cost belong together"),
        ({**COSTLY, "account": None}, "account and cost belong together"),
        ({**COSTLY, "bound": -1.0}, "a ratio is compared with a positive number"),
        ({**COSTLY, "baseline": "full ladder"}, "full ladder gives an accuracy"),
        ({**COSTLY, "metric": "cost to target", "baseline": "twin"}, "a twin has no ladder"),
        ({"quantity": "x"}, "quantity says what a study measures"),
        ({"metric": "study", "hypothesis": "at least", "bound": 1.0}, "quantity says what a study measures"),
        ({"metric": "study", "hypothesis": "superior", "quantity": "x"}, "does not go with metric 'study'"),
        ({"case": "one"}, 'cases belong to kind = "any"'),
        ({"strategy": {"schedule": "fixed"}}, "tests.0.strategy: give the strategy's name"),
        ({"strategy": {"name": "gstds", "rung": 1.5}}, "tests.0.strategy.rung: "),
        ({"strategy": {"nam": "gstds"}}, "unknown key 'tests.0.strategy.nam': did you mean 'name'?"),
        ({**COSTLY, "bound": float("inf")}, "tests.0.bound: "),
    ],
)
def test_what_does_not_fit_together_is_named(test: dict[str, Any], said: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse(table(test=test))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_cases_are_tests_that_stand_or_fall_together() -> None:
    tests = [BASIC["tests"][0] | {"case": case} for case in ("a", "", "a", "")]
    assert parse(table(kind="any", tests=[{k: v for k, v in t.items() if v} for t in tests])).cases == (
        (0, 2),
        (1,),
        (3,),
    )


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
KEYS = st.sampled_from([*Claim.model_fields, "x"])


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(st.sampled_from([*BASIC["tests"][0], "y"]), VALUES))
def test_no_table_makes_it_fall_over(changes: dict[str, Any], test: dict[str, Any]) -> None:
    mixed = table(**({"tests": [BASIC["tests"][0] | test]} | changes))
    try:
        claim = parse(mixed)
    except ClaimError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert sum(map(len, claim.cases)) == len(claim.tests)


@given(st.binary(max_size=80))
def test_no_file_makes_it_fall_over(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    file.write_bytes(content)
    with pytest.raises(ClaimError):
        read(file)


def test_a_deeply_nested_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(ClaimError):
        read(tmp_path / "deep.toml")


def test_a_users_own_claims_are_read_and_bad_ones_listed(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "mine.toml").write_bytes(b"\xef\xbb\xbf" + tomli_w.dumps(BASIC).replace("\n", "\r\n").encode())
    (folder / "again.toml").write_text(tomli_w.dumps(BASIC | {"id": shipped()[0].id}))
    (folder / "typo.toml").write_text(tomli_w.dumps(BASIC | {"id": "other", "matrx": "quick"}))
    (folder / "broken.toml").write_text("= 3")
    claims, bad = read_claims(tmp_path)
    assert [claim.id for claim in claims] == [*(claim.id for claim in shipped()), "a-claim"]
    assert [item.file for item in bad] == ["claims/again.toml", "claims/broken.toml", "claims/typo.toml"]
    assert "taken by another claim" in bad[0].reason
    assert "not a readable TOML file" in bad[1].reason
    assert bad[2].reason == "unknown key 'matrx': did you mean 'matrix'?"
