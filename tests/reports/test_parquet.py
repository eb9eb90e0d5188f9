"""The log as Parquet files: all of it, in pieces, and nothing personal that nobody asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.reports.conftest import CID, Ward

from greenroom.domain.errors import InvalidInput
from greenroom.history import numbered
from greenroom.reports.parquet import Exported, export


def exported(ward: Ward, directory: Path, *, after: int = 0, **options: Any) -> Exported:
    core = ward.room._core
    records = numbered(core.feed(after), core.index(), after, ward.room.position)
    return export(records, directory, now=ward.clock.now(), after=after, **options)


def rows(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in sorted(directory.glob("*.parquet")):
        found += pq.read_table(file).to_pylist()
    return found


def test_every_event_of_a_call_is_a_row_as_its_history_has_it(ward: Ward, tmp_path: Path) -> None:
    done = exported(ward, tmp_path, personal=True)
    told = rows(tmp_path / "events")
    assert [row["position"] for row in told] == [*range(1, ward.room.position + 1)]
    assert (done.events, done.position) == (len(told), ward.room.position)
    ours = [row for row in told if row["cid"] == CID]
    for row, event in zip(ours, ward.call().history(), strict=True):
        assert {**json.loads(row["fields"]), **json.loads(row["personal"] or "{}")} == json.loads(
            event.model_dump_json()
        )["event"]
        for column in ("seq", "position", "at", "recorded_at", "name", "by", "role", "stream"):
            assert row[column] == getattr(event, column)
    assert {row["seq"] for row in told if row["cid"] is None} == {None}  # call types


def test_attendance_is_what_the_call_says_of_it(ward: Ward, tmp_path: Path) -> None:
    done = exported(ward, tmp_path)
    told = rows(tmp_path / "attendance")
    stays = ward.call().attendance().stays
    assert done.stays == len(told) == 4
    for row, stay in zip(told, stays, strict=True):
        assert row["cid"] == CID
        assert {name: row[name] for name in type(stay).model_fields} == stay.model_dump()
    assert [row["left_at"] is None for row in told] == [False, False, False, True]


def test_what_is_personal_is_in_no_file_unless_it_is_asked_for(ward: Ward, tmp_path: Path) -> None:
    exported(ward, tmp_path / "bare")
    exported(ward, tmp_path / "whole", personal=True)
    assert {row["personal"] for row in rows(tmp_path / "bare" / "events")} == {None}
    for name, there in (("bare", False), ("whole", True)):
        told = "".join(
            row["fields"] + str(row["personal"]) for row in rows(tmp_path / name / "events")
        )
        assert ("document.title" in told) is there


@pytest.mark.slow
def test_pieces_are_as_good_as_the_whole(ward: Ward, tmp_path: Path) -> None:
    exported(ward, tmp_path / "once")
    small = exported(ward, tmp_path / "often", rows=4, groups=2)
    assert len(small.files) > 4
    assert pq.ParquetFile(small.files[0]).num_row_groups == 2
    for kind in ("events", "attendance"):
        assert rows(tmp_path / "often" / kind) == rows(tmp_path / "once" / kind)
    ward.call().update(custom={})
    more = exported(ward, tmp_path / "often", after=small.position, rows=4, groups=2)
    assert (more.events, more.stays) == (ward.room.position - small.position, 0)
    exported(ward, tmp_path / "anew")
    assert rows(tmp_path / "often" / "events") == rows(tmp_path / "anew" / "events")


def test_nothing_is_written_twice_and_what_fails_leaves_nothing_half(
    ward: Ward, tmp_path: Path
) -> None:
    exported(ward, tmp_path / "there")
    with pytest.raises(InvalidInput):
        exported(ward, tmp_path / "there")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(ward, tmp_path / "stopped", rows=4, groups=2, progress=stop)
    assert [file for file in (tmp_path / "stopped").rglob("*") if file.is_file()] == []
