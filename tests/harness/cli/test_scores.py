"""``selbench scores`` writes what a rule scores, and a matrix reads it back."""

from __future__ import annotations

import sys

import pytest

from selbench.harness.cli import commands as cli
from selbench.harness.references.score_file import ScoreFile


@pytest.fixture
def asked(monkeypatch, capsys, tmp_path):
    """Run the command in this process on narrow proxies of one pass; gives (exit code, stdout, stderr)."""

    def ask(rule, *more, out="s.csv", seeds=6):
        few = ["--seeds", seeds, "--set", "proxy.passes=1", "--set", "learner.width=2"]
        given = ["selbench", "scores", rule, "quick", "--out", tmp_path / out, *few, *more]
        monkeypatch.setattr(sys, "argv", [str(word) for word in given])
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    return ask


def test_scores_are_written_for_every_image_and_read_back(asked, tmp_path):
    code, out, err = asked("el2n")
    assert code == 0 and "scores by el2n" in out, err
    found = ScoreFile("s.csv").scores(tmp_path)
    assert len(found) > 1000 and found.std() > 0
    assert bool(((found > 0) & (found < 1.5)).all())  # a distance to a corner of the simplex
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


@pytest.mark.parametrize(
    ("rule", "more", "out", "says"),
    [
        ("loss", (), "s.csv", "gives no score"),
        ("el2n", (), "s.txt", "ends in .csv, .npy, .safetensors"),
        ("el2n", ("--dataset", "moon"), "s.npy", "name one of digits"),
        ("el2n", ("--option", "las=1"), "s.npy", "did you mean 'last'"),
    ],
)
def test_what_cannot_be_scored_is_said(asked, rule, more, out, says, tmp_path):
    code, _, err = asked(rule, *more, out=out)
    assert code == 2 and says in " ".join(err.split()) and not (tmp_path / out).exists()


def test_an_image_that_no_proxy_saw_has_no_score(asked, tmp_path):
    code, _, err = asked("el2n", seeds=1, out="s.npy")
    assert code == 2 and "raise --seeds" in " ".join(err.split()) and not any(tmp_path.iterdir())
