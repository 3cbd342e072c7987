"""The models write what they read, byte for byte, and say in one line what does not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selbench.benchmarks.pages import published_sets
from selbench.reports.records.fields import misfits, read_as, read_record, record_of
from selbench.reports.records.models import KINDS, Cell
from selbench.reports.records.pack import opened
from selbench.reports.records.sealing import OtherVersionError, ResultsError, checksum, open_record, sound, written


@pytest.fixture(scope="module")
def cell() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(sorted((opened(published_sets()["quick"]) / "cells").iterdir())[0].read_bytes())
    return record


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"failed"}))
def test_published_records_are_written_again_to_the_byte(kind: str) -> None:
    for folder in map(opened, published_sets().values()):
        for file in sorted(folder.glob(f"{kind}/*/meta.json" if kind == "artefacts" else f"{kind}/*.json"))[:3]:
            content = file.read_bytes()
            record = open_record(content, sealed=kind != "artefacts")
            again = record_of(KINDS[kind], record)
            sealed = {**again, "checksum": checksum(again)} if "checksum" in record else again
            assert written(sealed) == content, file


def test_a_field_of_a_later_version_is_read_over_and_kept_and_never_written(cell: dict[str, Any]) -> None:
    later = {**cell, "mood": "good", "result": {**cell["result"], "mood": "better"}}
    read = read_as(Cell, later)
    assert read.accuracy == cell["result"]["test_accuracy"] and read.model_extra == {"mood": "good"}
    assert [what for what, unknown in misfits(Cell, later) if unknown] == [
        "field 'result.mood' is unknown to this version",
        "field 'mood' is unknown to this version",
    ]
    with pytest.raises(ResultsError, match=r"can be written: field 'result\.mood' is unknown"):
        record_of(Cell, later)


def test_what_a_later_field_stands_beside_is_checked_all_the_same(cell: dict[str, Any]) -> None:
    with pytest.raises(ResultsError, match="is not that of its"):
        read_as(Cell, {**cell, "mood": "good", "result": {**cell["result"], "test_accuracy": 0.0}})


def test_a_damaged_version_is_damage_and_another_version_is_named(cell: dict[str, Any]) -> None:
    with pytest.raises(OtherVersionError, match="format version 7; this selbench reads version 1"):
        open_record(written({**cell, "version": 7, "checksum": "of another kind"}), sealed=True)
    with pytest.raises(ResultsError, match="the checksum does not match") as caught:
        open_record(written({**cell, "version": 7}), sealed=True)
    assert not isinstance(caught.value, OtherVersionError)


def test_a_value_of_any_length_is_shown_in_one_short_line(cell: dict[str, Any]) -> None:
    for value in ("x\n" * 10_000, 10**5000, [0] * 10_000, {"a": 1}):
        with pytest.raises(ResultsError) as caught:
            read_as(Cell, {**cell, "scores_learner": value})
        assert len(str(caught.value)) < 150 and "\n" not in str(caught.value)


def test_sound_bytes_are_read_as_parsed_ones_and_no_others_are_sound(cell: dict[str, Any]) -> None:
    def sealed(**more: Any) -> bytes:
        record = {**cell, **more}
        return written({**record, "checksum": checksum(record)})

    content = written(cell)
    assert sound(content)
    parsed = read_as(Cell, open_record(content, sealed=True))
    assert read_record(Cell, content).model_dump() == parsed.model_dump()
    assert not sound(content.replace(b'"digits"', b'"digits "')) and not sound(content.replace(b": 1\n", b": 11\n"))
    for text in ('a": b', '": b', "a\\"):  # where white space is part of a text, the slower way decides
        label = sealed(arm_label=text)
        assert read_record(Cell, label).arm_label == text
        with pytest.raises(ResultsError, match="checksum"):
            read_record(Cell, label.replace(b": b", b":  b").replace(b"a\\\\", b"a \\\\"))
    with pytest.raises(OtherVersionError):
        read_record(Cell, sealed(version=2))
