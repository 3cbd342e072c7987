"""A rule that was edited: its old results are never used silently, and never lost."""

from __future__ import annotations

import json

import pytest

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan import used_code
from selbench.harness.plan.matrix import parse
from selbench.harness.verify import verify
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise
from selbench.strategies import UsageError


@pytest.fixture
def folder(train, tiny, tmp_path, cache_dir, monkeypatch):
    """A trained folder, a way to run the matrix on it again, and one to edit a part of the code."""
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, "references": [], "strategies": [{"name": "loss"}]}
    out = tmp_path / "out"
    assert not train(tiny, out).failed
    known = used_code.code_of

    def again(**options):
        request = RunRequest(out=out, cache_dir=cache_dir, device="cpu", workers=1, executor="inline", **options)
        return run(parse(tiny), request)

    def edit(part):
        monkeypatch.setattr(used_code, "code_of", lambda group, name: "0" * 16 if name == part else known(group, name))

    return out, again, edit


def test_an_edited_rule_is_refused_then_trained_again_or_kept(folder):
    out, again, edit = folder
    assert again().trained == 0
    edit("loss")
    with pytest.raises(UsageError, match=r"of strategy loss has changed since a result .*--retrain loss .*or --keep"):
        again()
    with pytest.raises(UsageError, match="--retrain los: nothing here uses it; did you mean 'loss'"):
        again(retrain=["los"])
    assert again(keep=True).trained == 0
    before = {path.name: path.read_bytes() for path in (out / "cells").iterdir()}
    assert again(retrain=["loss"]).trained == 1
    (old,) = (out / "superseded").glob("*/cells/*.json")
    assert old.read_bytes() == before[old.name], "nothing is lost"
    new = json.loads((out / "cells" / old.name).read_bytes())
    assert new["code"]["strategy loss"] == "0" * 16 and again().trained == 0
    assert verify(out).sound


def test_a_changed_learner_concerns_every_run_and_a_folder_of_two_versions_is_called_so(folder):
    out, again, edit = folder
    edit("resnet8")
    with pytest.raises(UsageError, match="learner resnet8 has changed since 4 results"):
        again()
    cells = sorted((out / "cells").iterdir())
    cells[0].unlink()
    again(keep=True)
    (found,) = [
        finding for finding in verify(out).findings if "versions of the code of learner resnet8" in finding.what
    ]
    assert found.note
    assert summarise(Results.read(out))["environment"]["mixed_code"] == ["learner resnet8"]
