"""``selbench show``: a rule with its paper, options, cost, claims and matrices; other names too."""

from __future__ import annotations

import sys

import pytest

from selbench.harness.cli import commands as cli


@pytest.fixture
def show(monkeypatch, capsys):
    """What the command prints, in one line; its error where it leaves by one."""

    def call(name):
        monkeypatch.setattr(sys, "argv", ["selbench", "show", name])
        monkeypatch.setenv("COLUMNS", "100")
        try:
            cli.main()
        except SystemExit as leaving:
            if leaving.code:
                return capsys.readouterr().err.strip()
        return " ".join(capsys.readouterr().out.split())

    return call


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("el2n", ("arXiv 2107.07075 (2021)", "Formula: EL2N_i = mean", "el2n-half: EL2N: half of CIFAR-10 is enough",
                  "Counted: proxy + ", "class_balanced = ", "study-5-gpu")),
        ("gstds", ("share = 0.5 ([0, 1]): Share of the picks", "gstds-4x", "Reads: features, reference")),
        ("bounded", ("Asked: at cadence run", "study-6 (as bounded-soft, bounded-hard")),
        ("glister", ("Asked: at cadence epoch, every 20 epochs, on fresh scores", "val: looks at images of val")),
        ("loss", ("study-6 (as loss-run, loss-epoch, loss-batch)", "quick-tuned,")),
        ("shuffled", ("shuffled strategy", "shuffled reference")),
        ("fixed", ("fixed schedule", "The same ratio throughout.")),
        ("quick", ("quick matrix", "Data sets: digits", "Strategies: gstds, gstds-normalized, jest")),
        ("el2n-half", ("Published: half of CIFAR-10 pruned", "accuracy of el2n", "Run by: study-5-gpu")),
    ],
)  # fmt: skip
def test_it_says_what_is_known(show, name, says):
    text = show(name)
    for words in says:
        assert words in text, text


def test_an_unknown_name_is_one_line_that_mends_it(show):
    assert show("el2m") == "selbench: nothing is called 'el2m'; did you mean 'el2n'?"
    assert show("qwertyuiop") == "selbench: nothing is called 'qwertyuiop'; selbench list shows every name"


def test_a_rule_that_fails_is_shown_with_its_error(show, installed_plugin):
    assert "Error: select: RuntimeError: this strategy always fails" in show("raises-in-select")
    assert "broken-import' of selbench-tests-plugin 1.2 cannot be imported" in show("broken-import")
