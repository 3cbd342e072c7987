"""Packs: the same bytes for the same folder, read as the folder is, and nothing taken from them but records."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import write_results
from typer.testing import CliRunner

from selbench.harness.cli.commands import app
from selbench.reports.records import pack as packs
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.records.pack import opened, pack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results") / "mine"
    write_results(root)
    artefact = root / "artefacts" / ("a" * 16)
    artefact.mkdir(parents=True, exist_ok=True)
    (artefact / "tensors.safetensors").write_bytes(b"features")
    (root / "report").mkdir(exist_ok=True)
    (root / "report" / "index.html").write_text("a page")
    (root / "work").mkdir()
    (root / "work" / "left").write_text("of a run")
    return root


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "mine.zip"
    pack(folder, out)
    return out


def names(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def records(root: Path) -> dict[str, bytes]:
    files = [root / "matrix.toml", *root.glob("cells/*"), *root.glob("artefacts/*/meta.json")]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def changed(packed: Path, out: Path, change: Callable[[zipfile.ZipFile], None]) -> Path:
    shutil.copy(packed, out)
    with zipfile.ZipFile(out, "a") as archive:
        change(archive)
    return out


def test_the_same_folder_gives_the_same_bytes(folder: Path, packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))
    os.chmod(copy / "matrix.toml", 0o600)
    pack(copy, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == packed.read_bytes()


def test_it_is_read_as_the_folder_is(folder: Path, packed: Path) -> None:
    found = Results.read(opened(packed))
    assert len(found.cells) == len(Results.read(folder).cells) > 0
    assert found.path.name == "mine"
    assert records(found.path) == records(folder)


def test_reports_and_work_stay_out_and_tensors_unless_asked_for(folder: Path, packed: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "all.zip", tensors=True)
    assert {name.split("/")[0] for name in names(packed)} <= {"matrix.toml", "cells", "artefacts", "timing", "tuning"}
    assert set(names(tmp_path / "all.zip")) - set(names(packed)) == {f"artefacts/{'a' * 16}/tensors.safetensors"}


@pytest.mark.parametrize("name", ["../out.json", "/etc/x", "cells/../../x.json", "notes.txt", "cells/x.py"])
def test_a_file_that_is_no_record_is_refused(packed: Path, tmp_path: Path, name: str) -> None:
    bad = changed(packed, tmp_path / "bad.zip", lambda archive: archive.writestr(name, b"x"))
    with pytest.raises(ResultsError, match="is no pack of results: it holds"):
        opened(bad)
    assert sorted(tmp_path.iterdir()) == [bad]


def test_a_file_that_stands_twice_is_refused(packed: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        bad = changed(packed, tmp_path / "bad.zip", lambda archive: archive.writestr("matrix.toml", b"x"))
    with pytest.raises(ResultsError, match="each file once"):
        opened(bad)


def test_a_pack_that_claims_to_be_huge_is_refused(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "LARGEST", 1000)
    shutil.copy(packed, tmp_path / "huge.zip")
    with pytest.raises(ResultsError, match="holds more than"):
        opened(tmp_path / "huge.zip")


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_changes_nothing(
    folder: Path, packed: Path, tmp_path: Path, at: float, bit: int
) -> None:
    content = bytearray(packed.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    bad = tmp_path / f"{at}-{bit}.zip"
    bad.write_bytes(content)
    try:
        found = records(opened(bad))
    except ResultsError:
        return
    assert found == records(folder)


def test_what_is_wrong_with_a_pack_is_one_line_and_exit_code_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from selbench.harness.cli.commands import main

    (tmp_path / "text.zip").write_text("no archive")
    for words, said in (
        (["report", str(tmp_path / "none.zip")], "no such pack"),
        (["verify", str(tmp_path / "text.zip")], "is damaged, or no pack"),
        (["pack", str(tmp_path)], "is no results folder"),
        (["pack", str(folder), "--out", str(tmp_path / "a.tar")], "ends in .zip"),
        (["pack", str(folder), "--out", str(tmp_path / "text.zip" / "a.zip")], "cannot be written"),
    ):
        monkeypatch.setattr("sys.argv", ["selbench", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        error = capsys.readouterr().err
        assert stopped.value.code == 2
        assert said in error and error.count("\n") == 1


def test_a_report_of_a_pack_stands_beside_it(packed: Path, tmp_path: Path) -> None:
    shutil.copy(packed, tmp_path / "mine.zip")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "mine.zip")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine-report" / "index.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine-report", "mine.zip"]
