"""What the check of a folder finds: nothing in sound ones, and by its name what was made to be wrong."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selbench.harness.cli.commands import main
from selbench.harness.identity import digest
from selbench.harness.verify import verify
from selbench.harness.verify.folder import shared_streams
from selbench.strategies import UsageError

Record = dict[str, Any]


def said(folder: Path) -> list[str]:
    return [str(finding) for finding in verify(folder).errors]


@pytest.mark.parametrize("name", ["quick", "quick-tuned", "flowers-cpu", "cifar10-cpu"])
def test_published_folders_are_sound(published, name):
    verdict = verify(published(name))
    assert verdict.sound, said(published(name))
    known = ("no checksum: made by an older version", "is not here: published", "is no part of the results")
    known += ("selbench is not the same everywhere",)  # flowers-cpu was finished by a later version
    assert all(finding.what.startswith(known) for finding in verdict.findings)


def test_a_run_leaves_nothing_to_find_but_its_failure(finished):
    """A field that was added to a record and not to reports/records/models.py shows here."""
    verdict = verify(finished)
    assert [str(finding) for finding in verdict.findings] == [
        "failed/00112233445566aa.json: proxy, seed 0 failed: out of memory; run again to try it anew"
    ]
    assert list(verdict.lines())[-1] == "6 cells, 2 artefacts, 1 failures: all sound"


def account(phase: str, **changes: float) -> Any:
    return lambda record: record["ledger"][phase].update(changes)


def later(record: Record) -> None:
    record["curve"][-1]["seconds"] += 1.0


BROKEN: dict[str, tuple[str, Any, str]] = {
    "faults": ("cells", lambda r: r.update(faults=3), "counts 3 faulty selections"),
    "curve falls": ("cells", lambda r: r["curve"][1].update(seconds=0.0), "'seconds' of its curve falls"),
    "curve ends early": ("cells", lambda r: r["curve"][-1].update(progress=0.99), "ends at progress 0.99, not at 1"),
    "seconds": ("cells", later, "its curve ends at"),
    "flops": ("cells", account("select", flops=1e12), "flops, its ledger holds"),
    "loss": ("cells", lambda r: r["result"].update(train_loss=9.0), "'train_loss' at the end of its curve"),
    "pool": ("cells", lambda r: r["curve"][-1].update({"pass": 20.1}), "are of no whole pool"),
    "ratio": ("cells", lambda r: r["curve"][3].update(ratio=0.99), "its curve has trained on"),
    "k": ("cells", lambda r: r["selection"]["k"].append([8, 1]), "steps of its sequence of k are"),
    "pace": ("cells", lambda r: r["selection"]["pace"].pop(), "candidates of its pace are"),
    "classes": ("cells", lambda r: r["selection"]["class_counts"].__setitem__(0, 5), "picks by class are"),
    "mean ratio": ("cells", lambda r: r["selection"].update(mean_ratio=0.9), "its mean ratio is 0.9"),
    "repeats": ("cells", lambda r: r["selection"].update(max_repeats=1), "picked more often than its most repeats"),
    "probe": (
        "cells",
        lambda r: r["selection"]["probe"].update(counts="AAA="),
        "counts by image are not those of 908",
    ),
    "train samples": ("cells", account("train", samples=7), "phase 'train' of its ledger counts 7 samples"),
    "score samples": ("cells", account("score", samples=7), "phase 'score' of its ledger counts 7 samples"),
    "train price": ("cells", lambda r: r["unit"].update(train=1.0), "'train' of its ledger holds"),
    "bits": ("cells", lambda r: r["result"].update(correct="AAAA"), "do not hold 500 test images"),
    "accuracy": ("cells", lambda r: r["result"].update(test_accuracy=0.5), "is not that of its"),
    "recalibrated": ("cells", lambda r: r["result"].update(test_accuracy_recalibrated=0.5001), "is no share of 500"),
    "dates": (
        "cells",
        lambda r: r["environment"].update(finished="2020-01-01T00:00:00+00:00"),
        "before it was started",
    ),
    "type": ("cells", lambda r: r.update(seed=True), "field 'seed': Input should be a valid integer"),
    "infinite": ("cells", lambda r: r["unit"].update(forward=-1.0), "field 'unit.forward'"),
    "missing": ("cells", lambda r: r.pop("unit"), "field 'unit' is missing"),
    "phases": ("cells", lambda r: r["ledger"].pop("train"), "its phases must be"),
    "environment": ("cells", lambda r: r["environment"].pop("torch"), "field 'environment.torch' is missing"),
    "name": ("cells", lambda r: r.update(id="0" * 16), "is the record of 0000000000000000, not of"),
    "arm": ("cells", lambda r: r.update(arm="0" * 16), "arm 0000000000000000 is not in matrix.toml"),
    "seed": ("cells", lambda r: r.update(seed=99), "seed 99 is not in matrix.toml"),
    "seed of the id": ("cells", lambda r: r.update(seed=(r["seed"] + 1) % 8), "its id is not that of its arm and seed"),
    "fingerprint": ("cells", lambda r: r["identity"]["data"].__setitem__(0, "other"), "its data is ['other'"),
    "text": ("cells", lambda r: r["identity"].update(arm="GSTDS(share=9)"), "its arm is 'GSTDS(share=9)'"),
    "optimizer": ("cells", lambda r: r["identity"]["optimizer"].update(lr=9.0), "its optimizer is"),
    "batch": ("cells", lambda r: r["identity"]["batch"].__setitem__(0, 7), "its batch is"),
    "learner": ("cells", lambda r: r["identity"]["learner"][0].update(width=64), "its learner is"),
    "no identity": ("cells", lambda r: r["identity"].clear(), "lacks a part that it is checked by"),
    "lr": ("cells", lambda r: r["curve"][0].update(lr=0.5), "its learning rate was above 0.2"),
    "artefact": ("cells", lambda r: r["artefacts"].append("0" * 16), "artefact 0000000000000000"),
    "tuning ledger": ("tuning", account("train", samples=7), "its ledger has trained on 7 samples"),
    "tuning ratio": ("tuning", lambda r: r.update(mean_ratio=0.9), "is not that of its steps"),
    "tuning seed": ("tuning", lambda r: r.update(seed=3), "seed 3 at factor"),
    "tuning rate": ("tuning", lambda r: r.update(lr=0.3), "its learning rate is 0.3"),
    "tuning label": ("tuning", lambda r: r.update(arm_label="x"), "its label, data set or rung"),
    "timing block": ("timing", lambda r: r.update(block=(r["block"] + 1) % 8), "its id is not that of what was timed"),
    "timing seconds": ("timing", lambda r: r.update(seconds=0.0), "less time than the phases of its ledger"),
    "needs": ("artefacts", lambda r: r["needs"].append("0" * 16), "artefact 0000000000000000, which it rests on"),
    "margin type": ("matrix", lambda t: t.update(seeds=["0"]), "field 'seeds.0'"),
    "matrix lr": ("matrix", lambda t: t["optimizer"].update(lr=0.3), "its optimizer is"),
    "matrix text": ("matrix", lambda t: [a.update(text="x") for a in t["arms"]], "in matrix.toml it is 'x'"),
    "matrix twin": ("matrix", lambda t: t["arms"][0].update(twin="0" * 16), "the twin '0000000000000000' of arm"),
    "matrix key": ("matrix", lambda t: t["arms"].append(t["arms"][0]), "two arms have the same key"),
    "matrix labels": ("matrix", lambda t: t["datasets"][0].update(test_labels="AAEC"), "are not those of"),
    "matrix seeds": ("matrix", lambda t: t.update(seeds=[0, 1]), "is not in matrix.toml"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_inconsistent_is_named_though_its_checksum_is_sound(opened, of_few_seeds, name):
    kind, act, expected = BROKEN[name]
    folder, edit = opened(of_few_seeds("quick-tuned" if kind == "tuning" else "quick"))
    spectral = lambda r: r.get("arm_label") == "gstds"  # noqa: E731  (it has a reference and selects)
    file = edit(kind, act, *([spectral] if kind in ("cells", "tuning") else []))
    found = said(folder)
    assert any(expected in line for line in found), found
    if kind in ("cells", "tuning", "timing"):
        assert any(line.startswith(f"{kind}/{file.name}: ") for line in found), found


def test_a_changed_margin_is_noticed(opened, finished):
    folder, _ = opened(finished)
    path = folder / "matrix.toml"
    path.write_text(path.read_text().replace("margin = 1.0", "margin = 5.0"))
    (line,) = said(folder)
    assert line.startswith("matrix.toml: the checksum does not match") and line.endswith("put a sound copy back")


def test_another_version_is_refused_by_name(opened):
    folder, _ = opened("quick")
    cell = next((folder / "cells").iterdir())
    cell.write_text('{"version": 2, "anything": "else"}')
    (line,) = said(folder)
    assert line == f"cells/{cell.name}: format version 2; this selbench reads version 1: use the selbench that wrote it"


def test_twins_have_the_steps_of_what_they_are_held_against(opened):
    folder, edit = opened("quick")

    def act(record: Record) -> None:
        first, second = record["selection"]["pace"][:2]
        first[2], second[2] = first[2] + 1, second[2] - 1

    edit("cells", act, lambda r: r["arm_label"] == "uniform" and r["identity"]["rung"] == 1.0)
    assert any("its steps are not those of cells/" in line for line in said(folder))


def test_two_seeds_with_one_course_shared_their_stream(opened):
    folder, edit = opened("quick")
    of = lambda seed: lambda r: (r["arm_label"], r["identity"]["rung"], r["seed"]) == ("gstds", 1.0, seed)  # noqa: E731
    kept: Record = {}
    edit("cells", kept.update, of(0))
    file = edit("cells", lambda r: r.update({k: kept[k] for k in ("curve", "result", "selection", "ledger")}), of(1))
    (line,) = said(folder)
    assert file.name in line and "came out as seed" in line and "to the last bit" in line


def seeded(seed: int) -> Any:
    return SimpleNamespace(seed=seed, curve=[SimpleNamespace(passes=3.0)])


def test_streams_that_coincide_by_accident_are_found():
    cell = seeded(0)
    assert not list(shared_streams({"a": cell, "b": seeded(1)}, {}, {}))
    from selbench.harness.streams import derive

    proxy: Any = SimpleNamespace(kind="proxy", name="proxy", seed=4)
    clash = seeded(derive(4, "proxy", ""))
    (finding,) = shared_streams({"a": clash}, {}, {"artefacts/p": proxy})
    assert finding.file == "artefacts/p" and "its stream is that of a" in finding.what


def test_two_different_seeds_with_one_number_are_found(monkeypatch):
    from selbench.harness.verify import folder

    monkeypatch.setattr(folder, "derive", lambda seed, *axis: hash((seed % 2, *axis)))
    cells = {"a": seeded(0), "b": seeded(2)}
    assert any("its stream 'init' is that of a" in finding.what for finding in shared_streams(cells, {}, {}))


def test_a_second_record_of_a_run_is_found(opened):
    folder, _ = opened("quick")
    cell = next((folder / "cells").iterdir())
    (cell.parent / "ffffffffffffffff.json").write_bytes(cell.read_bytes())
    assert any(f"is the record of {cell.stem}, not of ffffffffffffffff" in line for line in said(folder))


def test_missing_artefacts_are_errors_and_missing_tensors_notes(opened, finished):
    folder, _ = opened(finished)
    folders = sorted((folder / "artefacts").iterdir())
    (folders[0] / "tensors.safetensors").unlink()
    assert verify(folder).sound
    (folders[0] / "meta.json").unlink()
    found = said(folder)
    assert found and all("which it rests on, is missing or damaged" in line for line in found)


def test_artefacts_of_another_seed_or_content_are_not_a_cells(opened):
    folder, edit = opened("quick")
    metas = {path.parent.name: json.loads(path.read_text()) for path in (folder / "artefacts").glob("*/meta.json")}
    of = {(meta["kind"], meta["seed"]): id for id, meta in metas.items()}
    static = lambda r: r["arm_label"] == "static" and r["seed"] == 0  # noqa: E731
    edit("cells", lambda r: r.update(artefacts=[of["proxy", 1]]), static)
    assert [line.split(": ")[1] for line in said(folder)] == [
        f"artefact {of['proxy', 1]} is of another seed or data set; remove it and run again"
    ]
    edit("cells", lambda r: r.update(artefacts=[of["proxy", 0]]) or r["identity"]["proxy"].update(passes=9), static)
    assert any(f"artefact {of['proxy', 0]} is not of its data, learner" in line for line in said(folder))


def test_line_ends_that_git_changed_are_called_that_once(finished, tmp_path):
    folder = tmp_path / "checkout"
    for file in sorted(finished.rglob("*")):
        if file.suffix in (".json", ".toml", ".safetensors"):
            copy, content = folder / file.relative_to(finished), file.read_bytes()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content if file.suffix == ".safetensors" else content.replace(b"\n", b"\r\n"))
    (folder / ".gitattributes").write_text("* text=auto\n")
    (line,) = said(folder)
    assert "git changed the line ends" in line and "set `* -text` in .gitattributes and check out again" in line
    assert verify(folder).counts == verify(finished).counts
    shutil.copy(finished / "matrix.toml", folder)
    record = next((folder / "cells").iterdir())
    record.write_bytes(record.read_bytes().replace(b"\r\n", b"\n", 1))  # one line end alone is an edit
    assert any("not byte for byte" in line for line in said(folder))


def test_what_lies_where_it_should_not(opened):
    folder, _ = opened("quick")
    artefact = next((folder / "artefacts").iterdir())
    (folder / "cells" / "notes.txt").write_text("x")
    (folder / "artefacts" / "loose").write_text("x")
    (artefact / "more.bin").write_text("x")
    (folder / "cells" / ".a.json.x1").write_text("{")
    (folder / "thesis.txt").write_text("x")
    assert [line.split(": ")[0] for line in said(folder)] == [
        f"artefacts/{artefact.name}/more.bin",
        "artefacts/loose",
        "cells/notes.txt",
    ]
    notes = {finding.file: finding.what for finding in verify(folder).findings if finding.note}
    assert notes["cells/.a.json.x1"] == "a run that was killed left it"
    assert notes["thesis.txt"] == "is no part of the results"


def test_what_is_not_run_yet_and_unlike_machines_are_notes(opened):
    folder, edit = opened("quick")
    timed = {
        (row["of"], row["seed"]) for row in map(json.loads, (f.read_bytes() for f in folder.glob("timing/*.json")))
    }
    cells = {file: json.loads(file.read_bytes()) for file in folder.glob("cells/*.json")}
    next(file for file, cell in cells.items() if (cell["arm"], cell["seed"]) in timed).unlink()
    edit("cells", lambda r: r["environment"].update(machine="beef", threads=7))
    verdict = verify(folder)
    assert verdict.sound
    notes = " | ".join(map(str, verdict.findings))
    assert "1 of 112 cells are not there yet" in notes and "threads is not the same everywhere: 1, 7" in notes
    assert "the run that was timed is not here" in notes


def test_a_field_of_a_newer_selbench_is_a_note_and_in_an_unsealed_record_damage(opened):
    folder, edit = opened("cifar10-cpu")  # of a time when artefacts had no checksum
    edit("cells", lambda r: r.update(mood="good"))
    assert verify(folder).sound
    assert any("field 'mood' is unknown" in finding.what for finding in verify(folder).findings)
    meta = next((folder / "artefacts").glob("*/meta.json"))
    meta.write_bytes(meta.read_bytes().replace(b'"kind"', b'"kine"'))
    assert any("meta.json" in line and "'kine' is unknown" in line for line in said(folder))


def test_ids_are_digests_of_arm_and_seed(published):
    cell = json.loads(next((published("quick") / "cells").iterdir()).read_text())
    assert cell["id"] == digest([cell["arm"], cell["seed"]])


def test_the_command(opened, monkeypatch, capsys):
    folder, edit = opened("flowers-cpu")

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["selbench", "verify", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    code, out, _ = command(folder)
    assert code == 0 and out.endswith("128 cells, 17 artefacts: all sound\n")
    file = edit("cells", lambda r: r.update(faults=1))
    code, out, _ = command(folder)
    assert code == 1 and out.startswith(f"cells/{file.name}: counts 1 faulty selections")
    assert out.endswith("128 cells, 17 artefacts: 1 finding\n")
    code, out, _ = command(folder, "--json")
    verdict = json.loads(out)
    assert code == 1 and not verdict["sound"] and verdict["counts"] == {"cells": 128, "artefacts": 17}
    assert verdict["findings"][0] == {
        "file": f"cells/{file.name}",
        "what": "counts 1 faulty selections, and should have failed",
        "mend": "remove it and run again: it alone is made anew",
        "note": False,
    }
    code, _, err = command(folder / "cells")
    assert code == 2 and err.count("\n") == 1 and "is no results folder" in err


def test_a_folder_without_a_matrix_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no results folder"):
        verify(tmp_path)
