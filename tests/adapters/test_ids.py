"""Ids: new, in the order of time, fit for a cid; or the same on every run."""

from __future__ import annotations

import re
import time

from greenroom.adapters.ids import Ids
from greenroom.testing.ids import SequentialIds


def test_a_generated_call_id_fits_a_cid() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", Ids().call_id())
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", SequentialIds().call_id())


def test_no_id_comes_twice() -> None:
    ids = Ids()
    made = [make() for _ in range(500) for make in (ids.event_id, ids.request_id, ids.entry_id)]
    assert len(set(made)) == len(made)


def test_later_ids_sort_after_earlier_ones() -> None:
    ids = Ids()
    earlier = ids.event_id()
    time.sleep(0.002)
    assert ids.event_id() > earlier


def test_sequential_ids_count_by_kind_and_are_the_same_on_every_run() -> None:
    def run() -> list[str]:
        ids = SequentialIds()
        return [ids.event_id(), ids.event_id(), ids.entry_id(), ids.call_id(), ids.request_id()]

    expected = ["event-000001", "event-000002", "entry-000001", "call-000001", "request-000001"]
    assert run() == run() == expected
