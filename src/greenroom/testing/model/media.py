"""What media reports, in the model (semantics: media, recordings).

A connection is a number, 1, 2, 3 ... in its entry. What media does about whoever leaves is told
after the fact: it is history, and no part of what somebody asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from greenroom.testing.model.world import Who, World

Connections = dict[str, Any]


class Media(World):
    """Connections that come, stand and go, and what cannot be recorded."""

    def do_media_connect(self, who: Who, *, entry: int) -> None:
        """A connection more."""
        del who
        one = self._connections(entry)
        if one is not None:
            one["last"] += 1
            one["standing"].append(one["last"])
            one["leaves_at"] = None
            self.names.append("session.connected")

    def do_media_publish(self, who: Who, *, entry: int, kind: str) -> None:
        """Something comes through the last connection."""
        del who
        one = self._connections(entry)
        if one is not None and one["last"] in one["standing"]:
            if one["published"].get(kind) != one["last"]:
                self.names.append("session.published")
            one["published"][kind] = one["last"]

    def do_media_unpublish(self, who: Who, *, entry: int, kind: str) -> None:
        """It comes no more."""
        del who
        one = self._connections(entry)
        if one is not None and one["published"].get(kind) == one["last"]:
            self._silence(one, {kind})

    def do_media_lose(self, who: Who, *, entry: int) -> None:
        """The last connection is lost; where none stands, one that never came to be."""
        del who
        one = self._connections(entry)
        if one is None:
            return
        stood = one["last"] in one["standing"]
        if one["standing"] and not stood:
            return
        one["last"] += 0 if stood else 1
        self.names.append("session.lost")
        patience = self._patience()
        alone = len(one["standing"]) <= stood
        self._over(one)
        if alone and not patience:
            self.close_entries([entry])

    def do_media_end(self, who: Who, *, entry: int) -> None:
        """The last connection is over, and was not lost."""
        del who
        one = self._connections(entry)
        if one is not None and one["last"] in one["standing"]:
            self._over(one)

    def do_media_obstacle(self, who: Who, *, because: str) -> None:
        """From now on something is in the way of recording; nothing, where nothing is said."""
        del who
        self.state.obstacle = because

    def do_media_fail_recording(self, who: Who, *, because: str) -> None:
        """The recording that is on cannot be written any more."""
        del who, because
        session = self.state.session
        if session is not None and session["records"]:
            session["records"] = False
            self.names.append("session.recording_stopped")

    def connections(self) -> list[tuple[Any, ...]]:
        """Who is in, whether connected, and what they publish, of each entry."""
        session = self.state.session
        if session is None:
            return []
        return sorted(
            (user, bool(one["standing"]), *sorted(one["published"]))
            for user, one in ((user, session["media"][n]) for n, user in session["entries"].items())
        )

    def fail_if_hindered(self) -> None:
        """What should have been recorded from the start is not, where something is in the way."""
        session = self.state.session
        if session is not None and self.state.obstacle:
            session["records"] = False
            self.comes_after("session.recording_stopped")

    def hang_up(self, entry: int) -> None:
        """Media drops the connections of somebody who has left."""
        session = self.state.session
        assert session is not None
        for _ in session["media"].pop(entry)["standing"]:
            self.comes_after("session.measured")

    def put_out_lost(self) -> None:
        """Whoever should have connected again by now leaves."""
        session = self.state.session
        assert session is not None
        due = [n for n, one in session["media"].items() if self._is_late(one)]
        self.close_entries(due)

    def close_entries(self, numbers: Collection[int]) -> None:
        """These entries leave."""
        raise NotImplementedError

    def awaited(self) -> Iterator[datetime]:
        """Until when somebody should connect again."""
        media: Mapping[int, Connections] = (self.state.session or {}).get("media", {})
        return (one["leaves_at"] for one in media.values() if one["leaves_at"] is not None)

    def comes_after(self, name: str) -> None:
        """Recorded in consequence of what was asked for, and not as a part of it."""
        self.state.history[name] = self.state.history.get(name, 0) + 1

    def _connections(self, entry: int) -> Connections | None:
        """Of an entry that is in."""
        found: Connections | None = (self.state.session or {}).get("media", {}).get(entry)
        return found

    def _over(self, one: Connections) -> None:
        """The last connection does not stand any more: without any, the time to return begins."""
        self._silence(one, {kind for kind, last in one["published"].items() if last == one["last"]})
        if one["last"] in one["standing"]:
            one["standing"].remove(one["last"])
            self.names.append("session.measured")
        if one["standing"]:
            one["leaves_at"] = None
        elif one["leaves_at"] is None and self._patience():
            one["leaves_at"] = self.state.now + self._patience()

    def _silence(self, one: Connections, kinds: Collection[str]) -> None:
        for kind in kinds:
            del one["published"][kind]
            self.names.append("session.unpublished")

    def _patience(self) -> timedelta:
        return timedelta(seconds=self.setting("session", "reconnection_timeout_seconds"))

    def _is_late(self, one: Connections) -> bool:
        return one["leaves_at"] is not None and one["leaves_at"] <= self.state.now


def no_connections() -> Connections:
    """Of an entry that has just come."""
    return {"last": 0, "standing": [], "published": {}, "leaves_at": None}
