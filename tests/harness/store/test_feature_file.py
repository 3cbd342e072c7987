"""Rows of a file against the same matrix in memory."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from safetensors.torch import load_file, save_file
from torch import Tensor

from selbench.harness.store import feature_file as module
from selbench.harness.store.feature_file import Rows, write
from selbench.strategies import UsageError

N, D = 97, 5


@pytest.fixture(params=[torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Rows, Tensor]:
    """Rows, and what they must give."""
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(0)).to(request.param)
    save_file({"before": torch.ones(3), "features": x, "z": torch.ones(2)}, tmp_path / "x.safetensors")
    return Rows(tmp_path / "x.safetensors"), x.float()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a small matrix has chunks, gaps and jumps."""
    monkeypatch.setattr(module, "CHUNK", 10 * D * 4)
    monkeypatch.setattr(module, "GAP", 3 * D * 2)


@pytest.mark.usefixtures("small")
@given(data=st.data())
def test_any_ids_in_any_order_through_any_views(stored: tuple[Rows, Tensor], data: st.DataObject) -> None:
    rows, expected = stored
    for _ in range(data.draw(st.integers(0, 2))):
        ids = torch.tensor(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=40)))
        rows, expected = rows.subset(ids), expected[ids]
    assert rows.shape == expected.shape and rows.nbytes == 4 * expected.numel()
    ids = torch.tensor(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=60)), dtype=torch.int64)
    got = rows.take(ids)
    assert got.dtype == torch.float32 and torch.equal(got, expected[ids])
    chunks = list(rows.chunks())
    assert max(len(chunk) for chunk in chunks) <= 10 and torch.equal(torch.cat(chunks), expected)
    assert torch.equal(rows.load(), expected)


def test_neighbours_are_read_together_and_each_row_once(
    stored: tuple[Rows, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, expected = stored
    reads: list[int] = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda f, into, at: reads.append(len(into[0])) or real(f, into, at))
    width = D * rows.dtype.itemsize
    monkeypatch.setattr(module, "GAP", 2 * width)
    ids = torch.tensor([50, 3, 4, 5, 3, 8, 51, 90])
    assert torch.equal(rows.take(ids), expected[ids])
    assert reads == [6 * width, 2 * width, width], "3 to 8 with a gap of two, 50 and 51, 90"


def test_short_reads_are_gone_on_with(stored: tuple[Rows, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    rows, expected = stored
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda f, into, at: real(f, [into[0][:7]], at))
    assert torch.equal(rows.load(), expected)


@pytest.mark.parametrize("wrong", [-1, N, 2**40])
def test_ids_outside_are_refused(stored: tuple[Rows, Tensor], wrong: int) -> None:
    rows, _ = stored
    for ask in (rows.take, rows.subset):
        with pytest.raises(IndexError, match=rf"row {wrong} is outside \[0, 97\)"):
            ask(torch.tensor([3, wrong, 1]))
    with pytest.raises(IndexError, match=r"row 2 is outside \[0, 2\)"):
        rows.subset(torch.tensor([5, 6])).take(torch.tensor([2]))


@pytest.mark.parametrize(
    "ids",
    [torch.tensor([1], dtype=torch.int32), torch.tensor([[1]]), torch.tensor([1], device="meta"), torch.ones(N) > 0],
)
def test_other_ids_are_refused(stored: tuple[Rows, Tensor], ids: Tensor) -> None:
    with pytest.raises(TypeError, match="ids must be int64"):
        stored[0].take(ids)


def test_files_that_hold_no_matrix(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    for content in ({"other": torch.ones(2, 2)}, {"features": torch.ones(2)}, {"features": torch.ones(2, 2).int()}):
        save_file(content, path)
        with pytest.raises(UsageError, match="must hold 'features' as a matrix of type F16, BF16, F32, F64; it has"):
            Rows(path)
    for data in (b"", b"hello", path.read_bytes()[:-1]):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="no safetensors file that can be read"):
            Rows(path)
    with pytest.raises(UsageError, match="no safetensors file that can be read"):
        Rows(tmp_path / "gone")


def test_a_file_cut_short_while_open_is_an_error_and_no_crash(stored: tuple[Rows, Tensor], tmp_path: Path) -> None:
    rows, _ = stored
    os.truncate(tmp_path / "x.safetensors", 300)
    with pytest.raises(UsageError, match="ends early"):
        rows.load()


def test_threads_and_views_share_a_file_and_the_last_one_closes_it(tmp_path: Path) -> None:
    x = torch.arange(4000.0).reshape(1000, 4)
    save_file({"features": x}, tmp_path / "x")

    def handles() -> list[str]:
        return [name for name in map(_target, Path("/proc/self/fd").iterdir()) if name == str(tmp_path / "x")]

    rows = Rows(tmp_path / "x").subset(torch.arange(999, -1, -1))
    faults: list[int] = []

    def read(seed: int) -> None:
        for ids in torch.randint(0, 1000, (50, 64), generator=torch.Generator().manual_seed(seed)):
            if not torch.equal(rows.take(ids), x[999 - ids]):
                faults.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    if Path("/proc/self/fd").is_dir():
        assert len(handles()) == 1
        del rows
        assert not handles()


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # the listing's own handle
        return ""


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_is_written_in_chunks_is_read_by_the_formats_own_library(tmp_path: Path, dtype: torch.dtype) -> None:
    x, losses = torch.randn(11, 3).to(dtype), torch.rand(11)
    with (tmp_path / "f").open("wb") as file:
        write(file, "features", iter(x.split([4, 1, 6])), 11, {"losses": losses})
    got = load_file(tmp_path / "f")
    assert set(got) == {"features", "losses"}
    assert torch.equal(got["features"], x) and got["features"].dtype == dtype and torch.equal(got["losses"], losses)
    assert torch.equal(Rows(tmp_path / "f").load(), x.float())


def test_writing_never_holds_more_than_a_chunk() -> None:
    """Each chunk is written before the next is asked for."""
    file = io.BytesIO()

    def chunks(sizes: list[int], seen: Callable[[], int]) -> object:
        for made in range(3):
            sizes.append(seen())
            yield torch.full((100, 4), float(made))

    sizes: list[int] = []
    write(file, "features", chunks(sizes, file.tell), 300, {})
    assert sizes[0] == 0 and sizes[1] > 1600 and sizes[2] == sizes[1] + 1600
