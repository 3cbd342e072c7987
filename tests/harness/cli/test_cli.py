from __future__ import annotations

import contextlib
import errno
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from synthetic import write_results

from selbench.harness.cli import commands as cli
from selbench.harness.cli import listing
from selbench.harness.execution.prepared import cache_folder, data_folder
from selbench.harness.tasks.stop_signals import SIGNALS
from selbench.reports.questions.claims.reading import shipped as shipped_claims
from selbench.strategies import UsageError
from selbench.strategies.registry import registry
from selbench.strategies.testing import LAWS


@pytest.fixture
def selbench(monkeypatch, capsys):
    """Run the command in this process; gives (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["selbench", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def handlers():
    """Signal handlers as a new process has them, and those of before afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in set(SIGNALS) - {signal.SIGINT}:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, was in before.items():
        signal.signal(number, was)


@pytest.mark.parametrize("group", listing.GROUPS)
def test_list_shows_every_registered_name_with_what_it_is(selbench, group):
    code, out, _ = selbench("list", group)
    assert code == 0
    for name in registry(group).found():
        assert re.search(rf"^{re.escape(name)}\s+\S+", out, re.MULTILINE), name


def test_list_shows_every_claim_and_what_runs_it(selbench):
    code, out, _ = selbench("list", "claims")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line and not line.startswith(" ")}
    for claim in shipped_claims():
        runs = "out of scope" if claim.scope == "out" else "not yet" if claim.needs else claim.matrix
        assert lines[claim.id].rstrip().endswith(runs)


def test_list_shows_a_broken_plugin_with_its_error_and_stops_nobody_else(selbench, installed_plugin):
    code, out, _ = selbench("list", "strategies")
    assert code == 0
    assert "this module always fails" in out and "every-other" in out and "gstds" in out
    assert "selbench-tests-plugin 1.2" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "strategy"], "did you mean 'strategies'"),
        (["run", "quik"], "did you mean 'quick'"),
        (["run", "quick", "--set", "budget.pases=1"], "did you mean 'passes'"),
        (["run", "quick", "--strategy", "gtsds"], "did you mean 'gstds'"),
        (["run", "quick", "--dataset", "digits=imagefolder:/nowhere"], "/nowhere"),
        (["run", "quick", "--set", "schedule.name=fixed", "--set", "schedule.ratio=0"], "outside (0, 1]"),
        (["run", "quick", "--seeds", "0"], "at least one seed"),
        (["run", "quick", "--set", "seeds=[]"], "at least one seed"),
        (["run", "quick", "--device", "cuda:"], "is no device"),
        (["run", "quick", "--executor", "clouds"], "no executor named 'clouds'"),
        (["run", "quick", "--workers", "0"], "at least one"),
        (["run", "cifar10-cpu", "--data-dir", "/nowhere"], "no such folder"),
        (["report", "/nowhere"], "/nowhere"),
        (["compare", "/nowhere", "/nowhere"], "/nowhere"),
        (["merge", "never-made", "/nowhere", "/nowhere/else"], "/nowhere"),
        (["new-strategy", "gstds"], "registered already"),
        (["check"], "pass --all"),
        (["check", "gstds", "--all"], "pass --all"),
        (["check", "--all", "--set", "eps=1"], "--set is for one strategy"),
        (["check", "gtsds"], "did you mean 'gstds'"),
        (["check", "gstds", "--set", "shar=1"], "did you mean 'share'"),
        (["check", "gstds", "--set", "share=2"], "must lie in [0, 1]"),
        (["check", "no.such.module:Rule"], "cannot be imported"),
        (["check", "selbench.strategies:Rule"], "has no class 'Rule'"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(selbench, tmp_path, arguments, says):
    if arguments[0] == "run":
        arguments = [*arguments, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    code, out, err = selbench(*arguments)
    assert code == 2 and says in err and err.count("\n") == 1 and "Traceback" not in out + err
    assert not (tmp_path / "out").exists()


def test_a_missing_data_set_says_what_to_do(selbench, tmp_path):
    code, _, err = selbench("run", "flowers-cpu", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert code == 2 and err.count("\n") == 1 and str(tmp_path) in err


def test_a_folder_of_another_matrix_is_left_as_it_is(selbench, tmp_path):
    (tmp_path / "matrix.toml").write_text('name = "other"\nidentity = "x"\n')
    code, _, err = selbench("run", "quick", "--seeds", "1", "--out", tmp_path)
    assert code == 2 and "another matrix" in err
    assert [p.name for p in tmp_path.iterdir()] == ["matrix.toml"]


def test_help_names_every_command(selbench):
    code, out, _ = selbench("--help")
    assert code == 0 and all(name in out for name in ("run", "report", "list", "compare", "merge", "check"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_keeps_what_is_finished_and_says_how_to_go_on(selbench, tmp_path, monkeypatch, handlers, number):
    def stop(*_):
        signal.raise_signal(number)

    monkeypatch.setattr("selbench.harness.execution.executors.inline.Inline.run", stop)
    code, _, err = selbench("run", "quick", "--seeds", "1", "--executor", "inline", "--out", tmp_path / "out")
    assert code == 128 + number and "the same command resumes: selbench run quick" in err and "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_other_commands_with_its_code(selbench, monkeypatch, handlers, number):
    monkeypatch.setattr("selbench.harness.cli.listing.print_strategies", lambda _: signal.raise_signal(number))
    assert selbench("list", "strategies") == (128 + number, "", "")


def test_a_signal_that_is_ignored_stays_so(selbench, handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    assert selbench("--version")[0] == 0 and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


FULL = OSError(errno.ENOSPC, "No space left on device", "/full/x")
THEIRS = PermissionError(errno.EACCES, "Permission denied", "/theirs/x")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FULL, "/full/x: the disk is full: make room, and run the same command again"),
        (THEIRS, "/theirs/x: permission denied: ask its owner for access (chmod)"),
        (OSError(errno.EROFS, "Read-only", "/ro/x"), "/ro/x: the folder is read-only: make it writable"),
        (OSError(errno.EIO, "Input/output error", b"/bad/x"), "/bad/x: Input/output error"),
        (OSError("no number"), "no number"),
    ],
)
def test_what_the_system_refuses_is_one_line_of_any_command(selbench, monkeypatch, error, says):
    def refuse(_):
        raise error

    monkeypatch.setattr("selbench.harness.cli.listing.print_strategies", refuse)
    code, _, err = selbench("list", "strategies")
    assert code == 2 and err.startswith(f"selbench: {says}") and err.count("\n") == 1


def test_no_command_that_writes_ends_in_a_traceback(selbench, tmp_path, monkeypatch):
    small = write_results(tmp_path / "a", seeds=2, test_n=50)
    other = write_results(tmp_path / "b", seeds=2, test_n=50, datasets=["flowers"])

    def refuse(*_, **__):
        raise FULL

    monkeypatch.setattr(Path, "mkdir", refuse)
    out = tmp_path / "new" / "x"
    for command in (
        ("report", small, "--out", out),
        ("pack", small, "--out", out.with_suffix(".zip")),
        ("merge", out, small, other),
        ("compare", small, small, "--out", out),
        ("new-strategy", "my-rule", "--out", out),
        ("run", "quick", "--seeds", "1", "--executor", "inline", "--out", out, "--cache-dir", tmp_path),
    ):
        code, _, err = selbench(*command)
        assert (code, err.count("\n")) == (2, 1), (command, err)
        assert "the disk is full: make room" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_full_standard_output_is_said(selbench, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert selbench("--version")[0] == 2
        monkeypatch.setattr(sys, "stdout", sys.__stdout__)
        with contextlib.suppress(OSError):
            full.close()


def test_home_is_meant_in_every_argument(selbench, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert selbench("new-strategy", "my-rule", "--out=~/rules")[0] == 0
    assert (tmp_path / "rules" / "my-rule").stat().st_mode & 0o055, "others may read it, as the umask says"
    assert selbench("check", "--set", "a=~b", "gstds")[0] == 2
    code, _, err = selbench("report", "~/nowhere")
    assert code == 2 and str(tmp_path / "nowhere") in err
    code, _, err = selbench("report", "~no-such-user/x")
    assert code == 2 and "no home folder is known here: set $HOME, or write the whole path" in err


def test_an_empty_variable_counts_as_unset_and_home_is_meant_in_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SELBENCH_CACHE_DIR", "SELBENCH_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    assert cache_folder(None) == tmp_path / ".cache" / "selbench" and data_folder(None) is None
    monkeypatch.setenv("SELBENCH_CACHE_DIR", "~/c")
    monkeypatch.setenv("SELBENCH_DATA_DIR", "~")
    assert cache_folder(None) == tmp_path / "c" and data_folder(None) == tmp_path
    monkeypatch.setenv("SELBENCH_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/x")
    assert cache_folder(None) == tmp_path / "x" / "selbench" and cache_folder(Path("c")) == Path("c")


def test_without_a_home_folder_the_cache_is_asked_for(monkeypatch):
    def unknown(_):
        raise RuntimeError("Could not determine home directory.")

    for name in ("SELBENCH_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(UsageError, match=r"no home folder is known here .*: give --cache-dir DIR"):
        cache_folder(None)


def test_new_strategy_says_what_was_written_and_how_to_go_on(selbench, tmp_path):
    code, out, _ = selbench("new-strategy", "my-rule", "--out", tmp_path)
    assert code == 0 and (tmp_path / "my-rule" / "my_rule.py").is_file()
    steps = [line.strip() for line in out.splitlines()[1:]]
    assert [step.split()[:3] for step in steps[1:]] == [["selbench", "check", "my-rule"], ["selbench", "run", "quick"]]
    assert steps[0].endswith(f"pip install -e {tmp_path / 'my-rule'}")


def test_check_prints_every_law_of_a_strategy(selbench):
    code, out, _ = selbench("check", "gstds", "--set", "share=0.25")
    assert code == 0 and "fail" not in out
    assert [line.split()[0] for line in out.splitlines()[1 : len(LAWS) + 1]] == [law.name for law in LAWS]
    assert re.search(r"^flops +pass", out, re.MULTILINE), "the command brings a counter of operations"


def test_check_takes_a_class_of_a_file_here_and_says_what_to_change(selbench, tmp_path, monkeypatch):
    (tmp_path / "rule_of_mine.py").write_text(
        "import torch\n"
        "class Lowest:\n"
        "    needs = {'learner'}\n"
        "    def select(self, feats, losses, ratio):\n"
        "        return torch.topk(-losses.learner, round(ratio * len(losses.learner))).indices.int()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    code, out, err = selbench("check", "rule_of_mine:Lowest")
    assert code == 1 and "picks.long()" in out and not err


def test_one_fault_is_one_row_that_names_its_line(selbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    code = "class Mask:\n    def select(self, feats, losses, ratio):\n        return {}\n"
    (tmp_path / "br.py").write_text(code.format("losses.nothing"))
    status, out, _ = selbench("check", "br:Mask")
    said = " ".join(out.split())
    assert status == 1 and out.count("not judged until") == 1 and "(br.py:3)" in said
    assert "br:Mask: 1 hold" in said, "no text becomes a picture"
    (tmp_path / "feats.py").write_text(code.format("feats.sum(1).topk(losses.k).indices"))
    status, out, _ = selbench("check", "feats:Mask")
    said = " ".join(out.split())
    assert status == 1 and "batch_feats is None here, and needs = {'features'} brings it (feats.py:3)" in said


@pytest.mark.parametrize("name", ["learner:resnet8", "dataset:digits", "reference:holdout"])
def test_others_than_strategies_are_checked_by_kind(selbench, name):
    options = ["--set", "width=4"] if name == "learner:resnet8" else []
    code, out, _ = selbench("check", name, *options)
    assert code == 0 and out.splitlines()[-1].startswith(f"{name}: ") and "broken" not in out


def test_a_plugin_is_checked_like_the_rest(selbench, installed_plugin):
    assert selbench("check", "every-other")[0] == 0
    code, out, _ = selbench("check", "raises-in-select")
    assert code == 1 and "this strategy always fails" in out


def test_check_all_names_each_strategy_and_what_it_breaks(selbench, installed_plugin, monkeypatch):
    names = ("uniform", "loss", "every-other", "raises-in-select", "broken-import")
    found = registry("strategies").found()
    monkeypatch.setattr(registry("strategies"), "found", lambda: {name: found[name] for name in names})
    code, out, _ = selbench("check", "--all")
    rows = {line.split()[0]: line for line in out.splitlines() if not line.startswith(" ")}
    assert code == 1 and set(names) <= set(rows)
    assert all("broken" not in rows[name] for name in names[:3])
    assert "1 broken" in rows["raises-in-select"] and "fail runs" in out
    assert "not checked" in rows["broken-import"] and "this module always fails" in out


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One tiny matrix in two parts, a seed each."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture
def halves(trained, train, tiny, tmp_path, monkeypatch):
    """A copy of the two parts, and the whole matrix as a table; reports of it are made without figures."""
    monkeypatch.setattr("selbench.reports.figures.all.draw", lambda report: [])
    tiny |= {"strategies": [{"name": "uniform"}], "references": [], "ladder": [1.0]}
    for name, seeds in (("a", [0]), ("b", [1])):
        if not (trained / name).exists():
            train({**tiny, "seeds": seeds}, trained / name)
        shutil.copytree(trained / name, tmp_path / name)
    return tmp_path / "a", tmp_path / "b", tiny


def test_a_merged_folder_is_reported_compared_and_gone_on_with(selbench, halves, train, tmp_path):
    a, b, tiny = halves
    code, out, _ = selbench("merge", tmp_path / "both", a, b, "--title", "Two halves")
    assert code == 0 and "6 of 6 runs, from 2 folders." in out
    code, out, _ = selbench("report", tmp_path / "both")
    assert code == 0 and "6 of 6 runs done" in out and "Parquet" not in out
    code, out, _ = selbench("compare", a, tmp_path / "both", "--out", tmp_path / "compared")
    assert code == 0 and "3 of 3 pairs of runs came out the same to the last bit" in out
    assert {path.name for path in (tmp_path / "compared").iterdir()} == {"compare.md", "compare.json"}
    # The same matrix goes on from there: what both parts did is done.
    assert train({**tiny, "seeds": 2}, tmp_path / "both").trained == 0
    assert train({**tiny, "seeds": 3}, tmp_path / "both").trained == 3


def test_a_run_into_a_folder_merged_of_several_matrices_is_refused(selbench, halves, tmp_path):
    text = (halves[1] / "matrix.toml").read_text().partition("\n")[2]  # without its checksum
    identity = re.search(r'identity = "(.*)"', text)[1]
    other = text.replace(identity, "0" * 16).replace("digits", "numerals")
    (halves[1] / "matrix.toml").write_text(re.sub(r'key = "(.{8}).{8}"', r'key = "\1ffffffff"', other))
    for record in (halves[1] / "cells").iterdir():
        record.unlink()
    assert selbench("merge", tmp_path / "both", *halves[:2])[0] == 0
    code, _, err = selbench("run", "quick", "--seeds", "1", "--out", tmp_path / "both")
    assert code == 2 and "another matrix" in err and err.count("\n") == 1


def test_without_pyarrow_the_report_says_that_there_is_no_parquet(selbench, halves, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, out, _ = selbench("report", halves[0])
    assert code == 0 and "No Parquet files were written" in out and "selbench[parquet]" in out
    assert (halves[0] / "report" / "cells.csv").exists() and not list((halves[0] / "report").glob("*.parquet"))


def test_a_rule_that_would_fail_every_run_stops_the_run_before_the_first(selbench, installed_plugin, tmp_path):
    out = tmp_path / "out"
    code, _, err = selbench("run", "quick", "--strategy", "raises-in-select", "--out", str(out))
    assert code == 2 and "law broken: runs" in err and "this strategy always fails" in err
    assert err.count("\n") == 1 and not out.exists()
