"""The cache: made once, made again when damaged, never half-written."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from selbench.harness.store.tensor_cache import Content, cached, digest
from selbench.strategies import UsageError


class Maker:
    """Counts how often the content is made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Content:
        self.calls += 1
        return {"x": torch.arange(1000, dtype=torch.uint8), "empty": torch.empty(0, 3)}, {"n": 7}


def same(content: Content) -> bool:
    tensors, facts = content
    return torch.equal(tensors["x"], torch.arange(1000, dtype=torch.uint8)) and facts == {"n": 7}


def test_made_once_a_key(tmp_path: Path) -> None:
    make = Maker()
    assert same(cached(tmp_path / "new", "set", {"side": 1}, make))
    assert same(cached(tmp_path / "new", "set", {"side": 1}, make))
    assert make.calls == 1
    cached(tmp_path / "new", "set", {"side": 2}, make)
    assert make.calls == 2
    assert len(list((tmp_path / "new").iterdir())) == 4, "two files a key, and no temporary ones"


def test_every_kind_of_damage_is_found_said_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make = Maker()
    cached(tmp_path, "set", {}, make)
    arrays, facts = next(tmp_path.glob("*.safetensors")), next(tmp_path.glob("*.json"))
    whole = {arrays: arrays.read_bytes(), facts: facts.read_bytes()}
    damages = {
        "empty": lambda data: b"",
        "cut": lambda data: data[: len(data) // 2],
        "first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
        "last byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "other text": lambda data: b'{"a": 1}',
    }
    for path in whole:
        for damage in damages.values():
            calls = make.calls
            path.write_bytes(damage(whole[path]))
            caplog.clear()
            with caplog.at_level(logging.WARNING, "selbench"):
                assert same(cached(tmp_path, "set", {}, make))
            assert make.calls == calls + 1
            assert "damaged" in caplog.text
            assert {p: p.read_bytes() for p in whole} == whole
    arrays.unlink()
    assert same(cached(tmp_path, "set", {}, make))


def test_a_file_that_may_not_be_read_is_called_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Maker()
    cached(tmp_path, "set", {}, make)

    def refused(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refused)  # modes do not bind root
    assert same(cached(tmp_path, "set", {}, make)) and make.calls == 2
    assert "permission denied: ask its owner" in caplog.text and "damaged" not in caplog.text


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Content:
        raise UsageError("bad image")

    with pytest.raises(UsageError, match="bad image"):
        cached(tmp_path, "set", {}, fails)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the cache"):
        cached(tmp_path / "file" / "cache", "set", {}, Maker())


def test_digest_sees_names_types_shapes_and_bytes_but_not_order() -> None:
    a, b = torch.arange(6), torch.ones(2)
    base = digest({"a": a, "b": b})
    assert base == digest({"b": b.clone(), "a": a.clone()})
    changed = a.clone()
    changed[5] = 0
    others = [{"a": b, "b": a}, {"a": a.view(2, 3), "b": b}, {"a": a.int(), "b": b}, {"a": changed, "b": b}, {"a": a}]
    assert len({base, *map(digest, others)}) == 6
    assert digest({"a": a.view(2, 3).T}) == digest({"a": a.view(2, 3).T.contiguous()})
