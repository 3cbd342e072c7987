from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from selbench.harness.store.folder import Store, checksum
from selbench.harness.store.tensor_cache import cached
from selbench.harness.verify import verify
from selbench.strategies import UsageError

RECORD = {"version": 1, "id": "ab", "result": {"test_accuracy": 0.1 + 0.2}, "curve": [1e-300, 3]}


def test_a_record_comes_back_and_any_flipped_bit_makes_it_count_as_not_done(tmp_path):
    store = Store(tmp_path)
    store.write_cell(RECORD)
    path = store.cell_path("ab")
    assert store.cell("ab") == {**RECORD, "checksum": checksum(RECORD)}
    good = path.read_bytes()
    value = json.loads(good)
    for place in range(0, len(good), 3):
        for bit in (0, 4):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :])
            try:
                unchanged = json.loads(path.read_bytes()) == value  # white space, or the same number written otherwise
            except ValueError:
                unchanged = False
            assert store.has_cell("ab") == unchanged


def test_no_reader_ever_sees_half_a_file_and_no_temporary_is_left(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write_cell(RECORD)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        store.write_cell({**RECORD, "curve": []})
    assert store.cell("ab")["curve"] == RECORD["curve"]
    assert [p.name for p in (tmp_path / "cells").iterdir()] == ["ab.json"]


def test_numbers_that_json_does_not_have_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        Store(tmp_path).write_cell({**RECORD, "curve": [float("nan")]})


def test_an_artefact_is_done_when_its_description_is_there(tmp_path):
    store = Store(tmp_path)
    assert not store.has_artefact("x")
    store.write_artefact("x", {"losses": torch.arange(3.0)}, {"needs": []})
    meta = store.artefact_meta("x")
    tensors = store.artefact_path("x") / "tensors.safetensors"
    assert store.has_artefact("x") and meta.pop("checksum") == checksum(meta)
    assert meta == {"needs": [], "tensors": hashlib.blake2b(tensors.read_bytes(), digest_size=16).hexdigest()}
    assert store.artefact_tensors("x")["losses"].tolist() == [0, 1, 2]
    tensors.unlink()
    assert not store.has_artefact("x"), "a folder handed around without its tensors"


def test_a_damaged_description_is_no_artefact_and_one_without_a_checksum_is(tmp_path):
    store = Store(tmp_path)
    store.write_artefact("x", {"losses": torch.arange(3.0)}, {"version": 1, "needs": []})
    path = store.artefact_path("x") / "meta.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"needs", b"feeds"))
    assert not store.has_artefact("x")
    with pytest.raises(UsageError, match=r"meta\.json: missing or damaged; remove its folder"):
        store.artefact_meta("x")
    path.write_text('{"version": 1, "needs": []}')
    assert store.has_artefact("x") and store.artefact_meta("x")["needs"] == []


@pytest.mark.parametrize("newer", [2, 0, 17])
def test_records_of_another_version_are_refused_by_name_and_left_alone(tmp_path, newer):
    store = Store(tmp_path)
    says = rf"format version {newer}; this selbench reads version 1: use the selbench that wrote it"
    for path, ask in (
        (store.cell_path("ab"), lambda: store.has_cell("ab")),
        (store.tuning_path("ab"), lambda: store.tuning("ab")),
        (store.timing_path("ab"), lambda: store.has_timing("ab")),
        (store.artefact_path("ab") / "meta.json", lambda: store.has_artefact("ab")),
        (store.root / "matrix.toml", lambda: store.claim(resolved())),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A newer version may take its checksums otherwise.
        text = f"version = {newer}\n" if path.suffix == ".toml" else json.dumps({"version": newer, "checksum": "?"})
        path.write_text(text)
        with pytest.raises(UsageError, match=says) as caught:
            ask()
        assert str(path) in str(caught.value) and path.read_text() == text


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_files_follow_the_umask(tmp_path, umask, mode):
    store, before = Store(tmp_path), os.umask(umask)
    try:
        store.claim(resolved())
        store.write_cell(RECORD)
        store.write_artefact("a", {"x": torch.ones(2)}, {})
        store.write_features("b", iter([torch.ones(2, 3)]), 2, {})
        cached(tmp_path, "set", {}, lambda: ({"x": torch.ones(2)}, {}))
    finally:
        os.umask(before)
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert len(found) >= 5 and set(found.values()) == {mode}


def test_a_file_that_may_not_be_read_is_called_that_and_is_not_made_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.claim(resolved())
    store.write_cell(RECORD)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)  # modes do not bind root
    for path, ask in (
        (store.cell_path("ab"), lambda: store.has_cell("ab")),
        (tmp_path / "matrix.toml", store.resolved),
        (tmp_path / "matrix.toml", lambda: store.claim(resolved())),
        (tmp_path / "matrix.toml", lambda: verify(tmp_path)),
    ):
        with pytest.raises(UsageError, match=f"{path}: permission denied: ask its owner for access") as caught:
            ask()
        assert "damaged" not in str(caught.value)


def test_failures_have_a_checksum(tmp_path):
    store = Store(tmp_path)
    store.write_failed({"id": "ab", "error": "x"})
    record = json.loads(store.failed_path("ab").read_text())
    assert record["checksum"] == checksum(record)


def test_features_are_streamed_and_another_store_takes_them_over(tmp_path, monkeypatch):
    kept, store = Store(tmp_path / "cache"), Store(tmp_path / "out")
    x = torch.randn(9, 4)
    kept.write_features("x", iter(x.split(2)), 9, {"losses": torch.arange(9.0)})
    for _ in range(2):  # a killed run may have left a link
        store.adopt_tensors("x", kept)
    assert not store.has_artefact("x"), "its description is missing"
    assert torch.equal(store.artefact_rows("x").load(), x)
    assert list(store.artefact_tensors("x", "losses", "other")) == ["losses"]
    path = store.artefact_path("x") / "tensors.safetensors"
    for one in (kept, store, Store(tmp_path / "out")):  # told while writing, by the other store, or by reading
        one.write_artefact("x", {}, {"needs": []})
        assert one.artefact_meta("x")["tensors"] == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    assert path.samefile(kept.artefact_path("x") / "tensors.safetensors")

    def no_links(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", no_links)
    store.adopt_tensors("x", kept)
    assert torch.equal(store.artefact_rows("x").load(), x)
    assert not path.samefile(kept.artefact_path("x") / "tensors.safetensors")
    assert sorted(p.name for p in path.parent.iterdir()) == ["meta.json", path.name]


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        yield torch.ones(2, 3)
        raise UsageError("row 3 holds a value that is not finite")

    store = Store(tmp_path)
    with pytest.raises(UsageError, match="row 3"):
        store.write_features("x", broken(), 9, {})
    assert not list(store.artefact_path("x").iterdir())


def resolved(**changes):
    base = {
        "name": "m",
        "identity": "1",
        "seeds": [0],
        "requested": {"strategies": ["a"], "seeds": [0]},
        "timing": {"seeds": 0},
        "arms": [{"key": "k1"}],
    }
    return {**base, **changes}


def test_a_folder_takes_one_matrix_and_joins_what_is_asked_for(tmp_path):
    import tomllib

    store = Store(tmp_path / "new" / "folder")
    store.claim(resolved())
    store.claim(
        resolved(seeds=[0, 1], requested={"strategies": ["b"], "seeds": [0, 1], "set": ["x=1"]}, arms=[{"key": "k2"}])
    )
    now = tomllib.loads((store.root / "matrix.toml").read_text())
    assert now["requested"] == {"strategies": ["b", "a"], "seeds": [0, 1], "set": ["x=1"]} and now["seeds"] == [0, 1]
    assert [arm["key"] for arm in now["arms"]] == ["k2", "k1"]
    with pytest.raises(UsageError, match=r"another matrix .* choose another --out"):
        store.claim(resolved(identity="2"))


def test_seeds_declared_first_stay_declared_and_looks_are_kept(tmp_path):
    store = Store(tmp_path)
    store.claim(resolved(declared={"strategies": ["a"], "seeds": [0]}))
    look = {"seeds": 1, "level": 0.025, "decided": False, "verdicts": []}
    store.write_look(look)
    more = {"seeds": [0, 1], "requested": {"strategies": ["a"], "seeds": [0, 1]}}
    store.claim(resolved(**more, declared={"strategies": ["a", "b"], "seeds": [0, 1]}))
    store.write_look({**look, "seeds": 2})
    store.write_look({**look, "seeds": 2, "decided": True})
    now = store.resolved()
    assert now["declared"] == {"strategies": ["a", "b"], "seeds": [0]} and now["seeds"] == [0, 1]
    assert [(row["seeds"], row["decided"]) for row in now["looks"]] == [(1, False), (2, True)]


def test_a_matrix_changed_after_it_was_written_is_refused_and_one_without_a_checksum_is_read(tmp_path):
    store = Store(tmp_path)
    store.claim(resolved())
    path = tmp_path / "matrix.toml"
    good = path.read_text()
    path.write_text(good.replace("seeds = 0", "seeds = 9"))
    with pytest.raises(UsageError, match=r"changed or damaged after it was written\); put a sound copy back"):
        store.claim(resolved())
    path.write_text(good.partition("\n")[2])
    store.claim(resolved())
    assert path.read_text() == good


def test_an_arm_that_has_been_tuned_takes_the_place_of_what_it_was(tmp_path):
    store = Store(tmp_path)
    arms = [{"key": "k1", "base": "k1"}, {"key": "k2", "base": "k2"}]
    store.claim(resolved(arms=arms))
    store.claim(resolved(arms=[{"key": "k9", "base": "k2"}]))
    assert store.resolved()["arms"] == [{"key": "k9", "base": "k2"}, {"key": "k1", "base": "k1"}]
    store.claim(resolved(arms=[{"key": "k1"}]))
    assert [arm["key"] for arm in store.resolved()["arms"]] == ["k1", "k9"]


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        Store(tmp_path).claim(resolved())
    (tmp_path / "matrix.toml").write_text("= broken")
    with pytest.raises(UsageError, match="damaged"):
        Store(tmp_path).claim(resolved())
