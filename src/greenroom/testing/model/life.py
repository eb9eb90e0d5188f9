"""The life of a call, in the model (semantics 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from greenroom.testing.model.rings import Rings
from greenroom.testing.model.world import NOT_SAID, Refusal, Who, merged, same

if TYPE_CHECKING:
    from greenroom.domain.operations.life import Backstage
    from greenroom.domain.operations.members import Member


class Life(Rings):
    """Creating, changing, opening, closing and deleting; joining and leaving."""

    def do_create(
        self,
        who: Who,
        *,
        members: Sequence[Member] = (),
        member_ids: Sequence[str] = (),
        custom: Mapping[str, Any] | None = None,
        starts_at: datetime | None = None,
        team: str | None = None,
        ring: bool = False,
        notify: bool = False,
        settings: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        """Get or create."""
        state = self.state
        if state.existence != "here":
            self.must_be_as_declared("calls", custom or {})
        self.must(who, "create-call")
        if state.existence in {"deleted", "erased"}:
            raise Refusal("call_not_found")
        if state.existence == "here":
            self.must_exist(who)
            self.must(who, "read-call")
        else:
            state.existence, state.created_by = "here", who.user_id
            state.created_at = state.now
            state.team, state.starts_at = team, starts_at
            state.custom = deepcopy(dict(custom or {}))
            state.own_settings = _patched({}, settings or {}, named)
            state.backstage = self.setting("backstage", "enabled")
            self.names.append("call.created")
            for one in members:
                self.put_member(one.user_id, one.role or "call_member", one.custom or {})
            for user_id in member_ids:
                if user_id not in state.members:
                    self.put_member(user_id, "call_member", {})
        self._call_out(who, ring=ring, notify=notify)

    def do_get(self, who: Who, *, ring: bool = False, notify: bool = False) -> None:
        """Read the call."""
        self.must_exist(who)
        self.must(who, "read-call")
        self._call_out(who, ring=ring, notify=notify)

    def do_update(
        self,
        who: Who,
        *,
        custom: Mapping[str, Any] | None = None,
        starts_at: datetime | None = NOT_SAID,
        settings: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        """Change custom data, start and settings: each part needs its own capability."""
        self.must_exist(who)
        touched = _touched(settings or {}, named)
        duration = ("limits", "max_duration_seconds") in touched
        if duration:
            self.must(who, "change-max-duration")
        if touched - {("limits", "max_duration_seconds")}:
            self.must(who, "update-call-settings")
        if custom is not None or starts_at is not NOT_SAID or not touched:
            self.must(who, "update-call")
        state = self.state
        own = _patched(state.own_settings, settings or {}, named)
        new_custom = merged(state.custom, custom or {})
        new_start = state.starts_at if starts_at is NOT_SAID else starts_at
        changed = not same(
            [own, new_custom, new_start], [state.own_settings, state.custom, state.starts_at]
        )
        staged, lasting = (("backstage", "enabled"), ("limits", "max_duration_seconds"))
        before = [self.setting(*staged), self.setting(*lasting)]
        state.own_settings, state.custom, state.starts_at = own, new_custom, new_start
        after = [self.setting(*staged), self.setting(*lasting)]
        if before[0] != after[0] and not (after[0] and self.present):
            state.backstage = after[0]
        if before[1] != after[1] and state.session is not None:
            state.session["timer"] = self.timer(state.session["started_at"])
        if changed:
            self.must_be_as_declared("calls", new_custom)
            self.names.append("call.updated")

    def do_go_live(self, who: Who) -> None:
        """Leave backstage; open an ended call again."""
        self.must_exist(who)
        self.must(who, "update-call")
        if self.state.backstage or self.state.ended_at is not None:
            self.state.backstage, self.state.ended_at = False, None
            self.names.append("call.went_live")

    def do_stop_live(self, who: Who) -> None:
        """Back to backstage; whoever may not be there is put out."""
        self.must_exist(who)
        self.must(who, "update-call")
        if self.state.backstage:
            return
        self.state.backstage = True
        self.names.append("call.stopped_live")
        self.put_out({one for one in self.present if not self.holds(one, "join-backstage")})
        self.close_if_at_once()

    def do_end(self, who: Who) -> None:
        """End the call for everyone."""
        self.must_exist(who)
        self.must(who, "end-call")
        self.end()

    def end(self) -> None:
        """It is over, whoever is in; an ended call is left as it is."""
        if self.state.ended_at is None:
            self.put_out(None, closing=True)
            self.state.ended_at = self.state.now
            self.names.append("call.ended")
            for number in list(self.state.rings):
                self.cancel(number)

    def time_is_up(self) -> None:
        """The call ends; of one that had ended before, only the session."""
        if self.state.ended_at is None:
            self.end()
        else:
            self.put_out(None, closing=True)

    def do_delete(self, who: Who, *, hard: bool = False) -> None:
        """Make the call unreachable; for good where it is hard, which only the system may."""
        state = self.state
        if state.existence == "absent":
            raise Refusal("call_not_found")
        if state.existence == "here":
            self.must_exist(who)
        self.must(who, "delete-call")
        if hard and not who.system:
            raise Refusal("not_allowed")
        if state.existence == "erased" or (state.existence == "deleted" and not hard):
            return
        self.put_out(None, closing=True)
        for number in list(state.rings):
            self.cancel(number)
        self.names.append("call.deleted")
        state.existence = "erased" if hard else "deleted"
        if hard:
            state.created_by = ""

    def do_restore(self, who: Who) -> None:
        """Take a soft deletion back."""
        if self.state.existence in {"absent", "erased"}:
            raise Refusal("call_not_found")
        if not who.system:
            raise Refusal("not_allowed")
        if self.state.existence == "deleted":
            self.state.existence = "here"
            self.names.append("call.restored")

    def do_join(
        self, who: Who, *, create: bool = False, ring: bool = False, notify: bool = False
    ) -> None:
        """Enter through a new connection."""
        if self.state.existence == "absent" and create and self.may(who, "create-call"):
            self.do_create(who)
        if self.state.existence != "here":
            raise Refusal("call_not_found")
        self.admit(who)
        self.enter(who)
        self.accept_by_joining(who.user_id)
        self._call_out(who, ring=ring, notify=notify)

    def do_leave(self, who: Who, *, entry: int | None = None) -> None:
        """Close one entry, or all one's own."""
        if who.user_id not in self.present:
            self.must_exist(who)
            return
        assert self.state.session is not None
        mine = [n for n, user in self.state.session["entries"].items() if user == who.user_id]
        self.close_entries(mine if entry is None else [n for n in mine if n == entry])
        self.close_if_at_once()

    def put_member(self, user_id: str, role: str, custom: Mapping[str, Any]) -> None:
        """Somebody is a member, with this role and custom data merged into what there is."""
        before = self.state.members.get(user_id)
        after: dict[str, Any] = {
            "role": role,
            "custom": merged(before["custom"] if before else {}, custom),
        }
        self.must_be_as_declared("members", after["custom"])
        if before is None or not same(before, after):
            self.names.append("member.added" if before is None else "member.updated")
        self.state.members[user_id] = after
        if before is None:
            self.state.member_since[user_id] = self.state.now

    def _call_out(self, who: Who, *, ring: bool, notify: bool) -> None:
        everyone = sorted(self.state.members)
        if ring:
            self.ring(who, everyone)
        if notify:
            self.notify(who, everyone)


def _patched(
    own: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], named: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The call's own settings after these were said; None gives a field back to the type."""
    after = {group: dict(fields) for group, fields in own.items()}
    for group, fields in [*settings.items(), *_groups(named).items()]:
        after[group] = {**after.get(group, {}), **fields}
    kept = {
        group: {name: value for name, value in fields.items() if value is not None}
        for group, fields in after.items()
    }
    return {group: fields for group, fields in kept.items() if fields}


def _touched(settings: Mapping[str, Any], named: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(group, field) of all that is said."""
    said = [*settings.items(), *_groups(named).items()]
    return {(group, name) for group, fields in said for name in fields}


def _groups(named: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that have names of their own, as settings."""
    limits = {
        f"{name}_seconds" if name == "max_duration" else name: named[name]
        for name in ("max_duration", "max_participants")
        if named.get(name) is not None
    }
    backstage: Backstage | None = named.get("backstage")
    said: dict[str, Any] = {}
    if backstage is not None:
        if backstage.enabled is not None:
            said["enabled"] = backstage.enabled
        if backstage.join_ahead_time_seconds is not None:
            said["join_ahead_time_seconds"] = backstage.join_ahead_time_seconds
    return {"limits": limits, "backstage": said}
