"""One of those who want to lead does, and whoever cannot be sure says so."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest
from tests.open_files import open_files

from greenroom.domain.errors import StoreError
from greenroom.projections.leading import FileLead, is_led


def test_one_leads_until_it_gives_it_up(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    first, second = FileLead(path), FileLead(path)
    assert first.taken()
    assert first.taken()
    assert not second.taken()
    assert is_led(path)
    first.give_up()
    first.give_up()
    assert not is_led(path)
    assert second.taken()
    second.give_up()


def test_asking_who_leads_keeps_nobody_from_it(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    assert not is_led(path)
    lead = FileLead(path)
    assert lead.taken()
    lead.give_up()


def test_a_child_of_one_who_never_led_leaves_it_at_that(tmp_path: Path) -> None:
    leading, bystander = FileLead(tmp_path / "leader"), FileLead(tmp_path / "leader")
    assert leading.taken()
    bystander.after_fork_in_child()
    assert not bystander.taken()
    leading.give_up()


def test_where_there_can_be_no_file_it_cannot_be_told_who_leads(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "leader"
    with pytest.raises(StoreError, match="leader cannot be locked: No such file"):
        FileLead(path).taken()
    with pytest.raises(StoreError, match="leader cannot be locked: No such file"):
        is_led(path)


def test_where_the_system_has_no_locks_left_no_file_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(StoreError, match="No locks available"):
        FileLead(tmp_path / "leader").taken()
    monkeypatch.undo()
    lead = FileLead(tmp_path / "leader")
    assert str(tmp_path / "leader") not in open_files()
    assert lead.taken()
    assert str(tmp_path / "leader") in open_files()
    lead.give_up()
