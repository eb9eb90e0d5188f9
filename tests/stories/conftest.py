"""Where stories take place: in memory, in a file, on PostgreSQL; and restarting all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from greenroom import CallHandle, Greenroom, UserHandle
from greenroom.testing import RecordingNotifier, VirtualClock

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass
class Stage:
    """A room, its clock, and what its users were told."""

    url: str
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(MORNING))
    notifier: RecordingNotifier = field(default_factory=RecordingNotifier)
    restless: bool = False
    """Whether the room is closed and opened again before every step."""
    restarts: int = 0
    _room: Greenroom | None = None

    @property
    def room(self) -> Greenroom:
        """The room of now; a restless one is another every time."""
        if self._room is None:
            self._room = Greenroom.open(self.url, clock=self.clock, notifier=self.notifier)
        elif self.restless:
            self._room.close()
            self.restarts += 1
            self._room = Greenroom.open(self.url, clock=self.clock, notifier=self.notifier)
        return self._room

    def user(self, user_id: str) -> UserHandle:
        return self.room.as_user(user_id)

    def call(self, user_id: str, call_type: str, call_id: str) -> CallHandle:
        """One's view of a call, through the room of now."""
        return self.user(user_id).call(call_type, call_id)

    def wait(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))

    def heard(self, user_id: str) -> list[str]:
        """The kinds of what a user was told, in order."""
        return list(self.notifier.kinds_for(user_id))

    def close(self) -> None:
        if self._room is not None:
            self._room.close()


@pytest.fixture(
    params=[
        "memory",
        pytest.param("file", marks=pytest.mark.slow),
        pytest.param("file, restarting", marks=pytest.mark.slow),
        pytest.param("postgres", marks=pytest.mark.slow),
        pytest.param("postgres, restarting", marks=pytest.mark.slow),
    ],
)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    place, _, restarting = request.param.partition(", ")
    if place == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = "memory://" if place == "memory" else f"sqlite:///{tmp_path / 'calls.db'}"
    built = Stage(url, restless=bool(restarting))
    yield built
    built.close()
    assert (built.restarts > 0) == built.restless
