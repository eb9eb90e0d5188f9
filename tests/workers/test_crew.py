"""A crew is as many as it should be, whatever becomes of its members."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.workers import labourers
from tests.workers.conftest import eventually

from greenroom.workers import crew as crews
from greenroom.workers.crew import Crew

pytestmark = pytest.mark.slow  # processes are spawned


class Yard:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.buried: list[str] = []

    def told(self, what: str) -> list[int]:
        """Who said that."""
        file = self.folder / "told"
        lines = file.read_text().splitlines() if file.exists() else []
        return [int(line.split()[1]) for line in lines if line.split()[0] == what]

    @contextmanager
    def at_work(self, size: int, work: Callable[..., None]) -> Iterator[None]:
        ended = threading.Event()
        crew = Crew(size, partial(work, str(self.folder)), bury=self.buried.append, goodbye=0.2)
        thread = threading.Thread(target=crew.run, args=(ended.is_set,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_who_dies_is_buried_and_somebody_else_is_in_their_place(yard: Yard) -> None:
    with yard.at_work(2, labourers.toil):
        assert eventually(lambda: len(yard.told("toils")) == 2)
        victim, other = yard.told("toils")
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: yard.buried == [f"worker-{victim}"])
        assert eventually(lambda: len(yard.told("toils")) == 3)
        assert lives(other)
    assert not any(map(lives, yard.told("toils")))


def test_who_makes_way_is_replaced_at_once_and_ends_in_peace(yard: Yard) -> None:
    with yard.at_work(1, labourers.make_way):
        assert eventually(lambda: len(yard.told("toils")) == 2)
        assert eventually(lambda: len(yard.told("left")) == 1)
        first, _ = yard.told("toils")
        assert eventually(lambda: yard.buried == [f"worker-{first}"])
        time.sleep(1)
        assert len(yard.told("toils")) == 2


def test_who_cannot_begin_is_tried_again_after_longer_and_longer(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "_LONGEST_PAUSE", 1.0)
    with yard.at_work(1, labourers.stumble):
        assert eventually(lambda: len(yard.told("stumbles")) == 3)
    assert yard.buried == []


def test_who_does_not_hear_of_the_end_is_killed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "_GOODBYE", 0.3)
    with yard.at_work(1, labourers.dawdle):
        assert eventually(lambda: len(yard.told("toils")) == 1)
    assert not any(map(lives, yard.told("toils")))
