"""Labels from a file: read, checked, laid over the pool, and part of what results depend on."""

from __future__ import annotations

import gzip
import json
import pickle
import tomllib

import numpy as np
import pytest
import torch

from selbench.harness.datasets.base import Images
from selbench.harness.datasets.label_file import aligned, read_labels
from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.plan.matrix import parse
from selbench.harness.toml import load as load_toml
from selbench.strategies import UsageError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "3\n0\n12\n"),
        ("a.csv", "3\n0\n\n12"),
        ("a.csv", "file,worse\nx.png,3\ny.png,0\nz.png, 12\n"),
        ("a.csv.gz", "worse\n3\n0\n12\n"),
    ],
)
def test_text_files_are_read(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    assert read_labels(path, "worse" if "worse" in content else "").tolist() == [3, 0, 12]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_files_of_any_editor_are_read(encoding, ends, tmp_path):
    content = ends.join(["worse,x", "3,a", "0,b", "12,c"]).encode(encoding)
    (tmp_path / "a.csv").write_bytes(content)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    for name in ("a.csv", "a.csv.gz"):
        assert read_labels(tmp_path / name, "worse").tolist() == [3, 0, 12]
    (tmp_path / "a.toml").write_bytes(ends.join(['a = "é"', "b = [1,", "2]"]).encode(encoding))
    assert load_toml(tmp_path / "a.toml") == {"a": "é", "b": [1, 2]}


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_arrays_are_read(kind, tmp_path):
    np.save(tmp_path / "a.npy", np.array([3, 0, 12], kind))
    read = read_labels(tmp_path / "a.npy")
    assert read.tolist() == [3, 0, 12] and read.dtype == torch.int64


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize(
    ("name", "content", "column", "says"),
    [
        ("a.csv", None, "", "No such file or directory"),
        ("a.csv", b"", "", "empty"),
        ("a.csv", b"1\n2.5\n", "", "label 2 is '2.5'"),
        ("a.csv", b"1\n-2\n", "", "label 2 is '-2'"),
        ("a.csv", b"a,b\n1,2\n", "", "set spoil.column to one of a, b"),
        ("a.csv", b"a,b\n1,2\n3\n", "b", "label 2 is ''"),
        ("a.csv", b"\xff\xfe\x00", "", "can't decode"),
        ("a.csv.gz", gzip.compress(b"1\n" * 99, mtime=0)[:14] + b"\xff" * 9, "", "no file of labels"),
        ("a.csv.gz", b"1\n", "", "Not a gzipped file"),
        ("a.npy", b"nonsense", "", "no file of labels"),
        ("a.npy", pickle.dumps(Trap()), "", "no file of labels"),
        ("a.pt", pickle.dumps(Trap()), "", "convert it to .npy"),
        ("a.json", b"[1]", "", "must end in"),
    ],
)
def test_a_damaged_file_is_one_line_and_a_pickle_is_never_read(name, content, column, says, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_labels(tmp_path / name, column)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [np.zeros((3, 2), int), np.zeros(3), np.array([Trap()], object)])
def test_arrays_of_anything_else_are_refused(array, tmp_path):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UsageError, match="no file of labels"):
        read_labels(tmp_path / "a.npy")


TOTAL = 1297  # training images of digits


@pytest.fixture
def load(tiny, cache_dir):
    """The tiny data set with a spoil table of its own, and other options."""

    def make(spoil=None, **options):
        row = {**tiny["datasets"][0], "options": options, **({"spoil": spoil} if spoil else {})}
        return DataSetLoader(None, cache_dir).load(
            parse({**tiny, "datasets": [row]}).datasets[0], trains_reference=True
        )

    return make


@pytest.fixture
def human(load, tmp_path):
    """A file in which every third label is the next class."""
    true = load().images.train_labels
    assert len(true) == TOTAL
    given = torch.where(torch.arange(TOTAL) % 3 == 0, (true + 1) % 10, true)
    np.save(tmp_path / "human.npy", given.numpy())
    return tmp_path / "human.npy", given


@pytest.mark.parametrize("options", [{}, {"limit": 200}])
def test_the_pool_is_trained_on_the_files_labels_and_the_rest_on_the_true_ones(load, human, options):
    path, given = human
    bad, clean = load({"labels": str(path)}, **options), load(**options)
    full = load()
    for part in ("holdout", "val"):
        assert torch.equal(bad.samples(1, part, CPU).labels, clean.samples(1, part, CPU).labels)
    ids, labels = bad.labelled(1, "pool")
    assert torch.equal(ids, clean.ids(1, "pool"))
    images = {image.numpy().tobytes(): place for place, image in enumerate(full.images.train)}
    places = torch.tensor([images[image.numpy().tobytes()] for image in bad.samples(1, "pool", CPU).images])
    assert torch.equal(labels, given[places]) and not torch.equal(labels, clean.labelled(1, "pool")[1])
    assert torch.equal(bad.marks(1, "pool")["wrong"], places % 3 == 0)
    assert clean.marks(1, "pool") == {}
    assert "labels of human.npy, 3" in bad.note and "% of them wrong" in bad.note


def test_thinning_and_copies_go_with_them(load, human):
    path, given = human
    bad = load({"labels": str(path), "imbalance": 0.5, "duplicates": 0.3})
    ids, labels = bad.labelled(0, "pool")
    assert torch.equal(labels, given[ids])
    copies = bad.marks(0, "pool")["copies"]
    assert int(copies.sum()) == len(ids) - len(ids.unique()) > 0 and len(ids[~copies].unique()) == len(ids[~copies])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda given: given[:-1], "1,296 labels for 1,297 training images"),
        (lambda given: given.clone().index_fill_(0, torch.tensor([5]), 10), "10 is no class"),
        (lambda given: given.roll(700), "as by chance"),
    ],
)
def test_labels_of_something_else_are_refused(load, human, tmp_path, change, says):
    np.save(tmp_path / "other.npy", change(human[1]).numpy())
    with pytest.raises(UsageError, match=says):
        load({"labels": str(tmp_path / "other.npy")})


def folders(names, true):
    pixels = torch.zeros(len(true), 1, 1, 1, dtype=torch.uint8)
    return Images(pixels, torch.tensor(true), pixels, torch.tensor(true), tuple(names))


@pytest.mark.parametrize(
    ("names", "given", "taken", "note"),
    [
        (["0", "1", "10", "2"], [0, 1, 10, 2], [0, 1, 2, 3], "numbers that the classes are called by"),
        (["0", "1", "10", "2"], [0, 1, 10, 10], [0, 1, 2, 2], "numbers that the classes are called by"),
        (["0", "1", "10", "2"], [0, 1, 2, 3], [0, 1, 2, 3], ""),
        (["01", "02", "03", "04"], [1, 2, 3, 4], [0, 1, 2, 3], "numbers that the classes are called by"),
        (["1", "2", "3", "4"], [0, 1, 2, 2], [0, 1, 2, 2], ""),
        (["0", "1", "2", "3"], [0, 1, 2, 0], [0, 1, 2, 0], ""),
        (["a", "b", "c", "d"], [0, 1, 3, 2], [0, 1, 3, 2], ""),
        (["a", "b", "c", "d", "e"], [0, 1, 4, 2, 3], [0, 1, 4, 2, 3], "in this order: a, b, c, d, e"),
    ],
)
def test_a_label_is_a_classes_place_or_its_number_whichever_agrees(names, given, taken, note):
    true = list(range(len(names)))
    found, said = aligned(torch.tensor(given), folders(names, true))
    assert found.tolist() == taken and (note in said if note else said == "")


@pytest.mark.parametrize(
    ("names", "given", "says"),
    [
        (["ant", "bee"], [0, 2], r"2 is no class: labels are numbers from 0 to 1; .* in this order: ant, bee"),
        (["1", "10"], [1, 11], "11 is no class"),
        (["ant", "bee"], [1, 0], r"0 % of the labels are right, as by chance.* in this order: ant, bee"),
        (["ant", "bee"], [0] * 11 + [1] * 9, "55 % of the labels are right, as by chance"),
    ],
)
def test_labels_that_fit_no_order_of_classes_name_the_order(names, given, says):
    true = [0, 1] if len(given) == 2 else [0] * 6 + [1] * 5 + [1] * 5 + [0] * 4
    with pytest.raises(UsageError, match=says) as caught:
        aligned(torch.tensor(given), folders(names, true))
    assert "\n" not in str(caught.value)


def test_a_choice_of_classes_is_refused(load, human):
    with pytest.raises(UsageError, match="leave out the option classes"):
        load({"labels": str(human[0])}, classes=4)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"labels": "x.npy", "label_noise": 0.1}, "set one"),
        ({"column": "a", "duplicates": 0.1}, "spoil.column = 'a' is for labels"),
        ({"labels": "x.npy", "kind": "pairs"}, "spoil.kind = 'pairs' is for label_noise"),
        ({"labels": "nowhere.npy"}, "nowhere.npy cannot be read"),
    ],
)
def test_a_faulty_table_is_one_line(tiny, table, says):
    tiny["datasets"][0]["spoil"] = table
    with pytest.raises(UsageError, match=says):
        parse(tiny)


def test_the_content_is_part_of_the_identity_and_the_path_is_not(tiny, human, tmp_path):
    def identity(path):
        row = {**tiny["datasets"][0], "spoil": {"labels": str(path)}}
        return parse({**tiny, "datasets": [row]}).identity({})

    path, given = human
    (tmp_path / "same.txt").write_text("\n".join(map(str, given.tolist())))
    np.save(tmp_path / "other.npy", given.flip(0).numpy())
    assert identity(path) == identity(tmp_path / "same.txt") != identity(tmp_path / "other.npy")


def test_a_run_records_how_many_of_its_samples_were_wrong(tiny, human, train, tmp_path):
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, "strategies": [{"name": "loss"}], "references": []}
    tiny["datasets"][0] |= {"options": {"limit": 200, "test_limit": 50}, "spoil": {"labels": str(human[0])}}
    done = train(tiny, tmp_path / "out")
    assert not done.failed
    (row,) = tomllib.loads((tmp_path / "out" / "matrix.toml").read_text())["datasets"]
    assert "labels of human.npy" in row["note"]
    cells = [json.loads(path.read_text()) for path in (tmp_path / "out" / "cells").iterdir()]
    for cell in cells:
        spoiled = cell["selection"]["spoiled"]
        assert 0.2 < spoiled["wrong"]["pool"] < 0.5 and 0 < spoiled["wrong"]["trained"] < 1
        assert spoiled["copies"] == {"pool": 0.0, "trained": 0.0}
