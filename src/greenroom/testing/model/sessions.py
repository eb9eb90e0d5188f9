"""Coming and going, in the model (semantics 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from greenroom.testing.model.media import Media, no_connections
from greenroom.testing.model.world import Refusal, Who, chosen


class Sessions(Media):
    """Who is in, and how long that lasts."""

    @property
    def present(self) -> set[str]:
        """The users who are in."""
        return set() if self.state.session is None else set(self.state.session["entries"].values())

    def admit(self, who: Who, *, as_if_present: bool = False) -> None:
        """The rules of joining that follow on the call's existence, in their order."""
        state = self.state
        if state.team is not None and not who.system and state.team not in who.teams:
            raise Refusal("wrong_team")
        if who.user_id in state.blocked:
            raise Refusal("blocked")
        self.must(who, "join-call")
        if state.ended_at is not None and not self.may(who, "join-ended-call"):
            raise Refusal("call_ended")
        if state.backstage and not self._is_open() and not self.may(who, "join-backstage"):
            raise Refusal("not_live_yet")
        limit = self.setting("limits", "max_participants")
        if limit is None or as_if_present or who.user_id in self.present:
            return
        counted = 0 if state.session is None else sum(state.session["counts"].values())
        if self.counts(who) and counted >= limit:
            raise Refusal("call_full")

    def counts(self, who: Who) -> bool:
        """Whether they take one of the places."""
        excluded = self.setting("limits", "max_participants_exclude_roles")
        member = self.state.members.get(who.user_id, {"role": None})
        if who.role in excluded or member["role"] in excluded:
            return False
        owner = who.user_id == self.state.created_by
        return not (owner and self.setting("limits", "max_participants_exclude_owner"))

    def enter(self, who: Who) -> None:
        """One more entry, in the session that is on or a new one."""
        begins = self.state.session is None
        if begins:
            self.begin_session()
        session: dict[str, Any] | None = self.state.session
        assert session is not None
        if who.user_id not in self.present:
            session["counts"][who.user_id] = self.counts(who)
        session["claimed"][who.user_id] = who.role if who.claimed else None
        session["entries"][len(self.state.entries)] = who.user_id
        session["media"][len(self.state.entries)] = no_connections()
        session["closes_at"] = None
        self.state.entries.append(who.user_id)
        stay = {"user": who.user_id, "since": self.state.now, "until": None}
        self.state.stays.append(stay)
        self.names.append("session.joined")
        if begins and self.setting("recording", "mode") == "auto-on":
            session["records"] = True
            self.names.append("session.recording_started")
            self.fail_if_hindered()

    def begin_session(self) -> None:
        """The call is occupied."""
        state = self.state
        state.sessions += 1
        state.past_sessions.append(
            {"number": state.sessions, "started_at": state.now, "ended_at": None}
        )
        state.session = {
            "number": state.sessions,
            "started_at": state.now,
            "timer": self.timer(state.now),
            "closes_at": None,
            "entries": {},  # number of the entry -> user
            "counts": {},  # user -> whether they take a place
            "claimed": {},  # user -> the role that they brought, or None
            "muted": {},  # user -> tracks
            "pinned": set(),
            "media": {},  # number of the entry -> its connections
            "records": False,
        }
        self.names.append("session.started")

    def timer(self, started_at: datetime) -> datetime | None:
        """When a session that began then has lasted as long as it may."""
        seconds = self.setting("limits", "max_duration_seconds")
        return None if seconds is None else started_at + timedelta(seconds=seconds)

    def put_out(self, users: Collection[str] | None, *, closing: bool = False) -> None:
        """Close every entry of these users, or of everybody; `closing`: the session goes too."""
        session = self.state.session
        if session is None:
            return
        going = chosen(users, self.present)
        self.close_entries([n for n, user in session["entries"].items() if user in going])
        if closing:
            self.end_session()

    def close_entries(self, numbers: Collection[int]) -> None:
        """These entries leave; an empty session waits, or closes at once."""
        session = self.state.session
        if session is None:
            return
        gone = [n for n in numbers if n in session["entries"]]
        for n in gone:
            user = session["entries"].pop(n)
            self.hang_up(n)
            self.state.stays[n]["until"] = self.state.now
            self.names.append("session.left")
            if user not in session["entries"].values():
                session["counts"].pop(user)
                session["claimed"].pop(user)
                session["muted"].pop(user, None)
                session["pinned"].discard(user)
        if gone and not session["entries"]:
            patience = self.setting("session", "inactivity_timeout_seconds")
            session["closes_at"] = self.state.now + timedelta(seconds=patience)
            session["at_once"] = patience == 0

    def close_if_at_once(self) -> None:
        """A session that may not wait closes with the last who leaves."""
        session = self.state.session
        if session is not None and session["closes_at"] == self.state.now and session["at_once"]:
            self.end_session()

    def end_session(self) -> None:
        """Nobody is in any more; a recording ends with it."""
        if self.state.session is not None and self.state.session["records"]:
            self.names.append("session.recording_stopped")
        self.state.session = None
        self.state.session_ended_at = self.state.now
        if self.state.sessions:
            self.state.past_sessions[-1]["ended_at"] = self.state.now
        self.names.append("session.ended")

    def holds(self, user_id: str, capability: str) -> bool:
        """Whether somebody who is in may do it, as things are now."""
        return self.may(self._participant(user_id), capability)

    def may_stay(self, user_id: str) -> bool:
        """Whether somebody who is in could join again; their team is not asked for."""
        try:
            self.admit(self._participant(user_id), as_if_present=True)
        except Refusal as refusal:
            return refusal.code == "wrong_team"
        return True

    def _participant(self, user_id: str) -> Who:
        session = self.state.session
        assert session is not None
        brought = session["claimed"][user_id]
        role = self.state.users.get(user_id, {"role": "user"})["role"]
        teams = () if self.state.team is None else (self.state.team,)
        system = user_id.startswith("system:")
        return Who(user_id, brought or role, teams, system=system, claimed=brought is not None)

    def _is_open(self) -> bool:
        ahead = self.setting("backstage", "join_ahead_time_seconds")
        start = self.state.starts_at
        if start is None or ahead == 0:
            return False
        return self.state.now >= start - timedelta(seconds=ahead)

    def _dues(self) -> Iterator[tuple[datetime, int, Callable[[], None]]]:
        session = self.state.session
        if session is None or self.state.existence != "here":
            return
        if session["timer"] is not None:
            yield session["timer"], 1, self.time_is_up
        if session["closes_at"] is not None:
            yield session["closes_at"], 2, self.end_session
        yield from ((until, 3, self.put_out_lost) for until in self.awaited())

    def time_is_up(self) -> None:
        """The session has lasted as long as it may."""
        raise NotImplementedError
